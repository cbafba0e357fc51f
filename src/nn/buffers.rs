//! Asking for memory in a way that can be refused: an allocation that fails elsewhere ends the process, and says nothing of what it was for.

use thiserror::Error;

use crate::base::allocator;

/// There is not as much memory as something large needs.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no memory is left for {what}: {} MB were refused", bytes.div_ceil(1_000_000))]
pub struct NoMemory {
    pub what: &'static str,
    pub bytes: u64,
}

/// Asks for large pages beneath a buffer that nothing has been written to yet, where the system gives them to who asks: what reads and writes
/// all of it, as the optimiser does, waits less for page tables. A system that refuses changes no result.
///
/// A large page takes its memory as a whole. So this is not for buffers of which a part stays untouched.
pub fn ask_for_large_pages<T>(buffer: &[T]) {
    #[cfg(target_os = "linux")]
    {
        const LARGE_PAGE: usize = 2 << 20;
        let bytes = buffer.as_ptr_range();
        let start = (bytes.start as usize).next_multiple_of(LARGE_PAGE);
        let length = (bytes.end as usize).saturating_sub(start) / LARGE_PAGE * LARGE_PAGE;
        #[expect(unsafe_code, reason = "the system is told an address and a length")]
        // SAFETY: the range lies within the buffer, and this advice changes none of its bytes.
        let _ = unsafe {
            rustix::mm::madvise(start as *mut _, length, rustix::mm::Advice::LinuxHugepage)
        };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = buffer;
}

/// So many zeros.
///
/// # Errors
/// [`NoMemory`]
pub fn zeros<T: Copy + Default>(length: usize, what: &'static str) -> Result<Vec<T>, NoMemory> {
    let mut buffer = Vec::new();
    reserve(&mut buffer, length, what)?;
    ask_for_large_pages(buffer.spare_capacity_mut());
    buffer.resize(length, T::default());
    Ok(buffer)
}

/// Makes room for `length` elements; what is in the buffer is lost where it has to grow. Beyond the largest length so far, it takes no more
/// than needed.
///
/// # Errors
/// [`NoMemory`]
pub fn reserve<T>(buffer: &mut Vec<T>, length: usize, what: &'static str) -> Result<(), NoMemory> {
    if length <= buffer.capacity() {
        return Ok(());
    }
    buffer.clear();
    let reserved = allocator::refusable(|| buffer.try_reserve_exact(length));
    reserved.map_err(|_| NoMemory { what, bytes: bytes_of::<T>(length) })
}

/// Whether there is room for `length` floats that are about to be allocated, but not touched before they are needed.
///
/// # Errors
/// [`NoMemory`]
pub fn room_for(length: usize, what: &'static str) -> Result<(), NoMemory> {
    let mut buffer: Vec<f32> = Vec::new();
    reserve(&mut buffer, length, what)?;
    // Who sees that nobody uses it might leave the allocation out.
    std::hint::black_box(&mut buffer);
    Ok(())
}

/// Makes `buffer` exactly `length` long, without keeping its contents in any order; returns it as a slice.
///
/// It allocates only beyond the largest length so far, and then no more than needed.
pub(super) fn fit<T: Copy + Default>(buffer: &mut Vec<T>, length: usize) -> &mut [T] {
    if length > buffer.capacity() {
        buffer.clear();
        buffer.reserve_exact(length);
    }
    buffer.resize(length, T::default());
    buffer
}

fn bytes_of<T>(length: usize) -> u64 {
    (length as u64).saturating_mul(size_of::<T>() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_there_can_be_is_refused_with_what_it_was_for() {
        let bytes = (1_u64 << 60) * 4;
        let error = NoMemory { what: "weights", bytes };
        assert_eq!(
            [zeros::<f32>(1 << 60, "weights").map(drop), room_for(1 << 60, "weights")],
            [Err(error.clone()), Err(error.clone())]
        );
        assert_eq!(
            error.to_string(),
            format!("no memory is left for weights: {} MB were refused", bytes.div_ceil(1_000_000))
        );
    }

    #[test]
    fn room_that_is_there_is_not_asked_for_again() {
        let mut buffer = vec![7; 3];
        reserve(&mut buffer, 2, "numbers").unwrap();
        assert_eq!(buffer, [7; 3]);
        reserve(&mut buffer, 100, "numbers").unwrap();
        assert_eq!((buffer.len(), buffer.capacity()), (0, 100));
    }
}
