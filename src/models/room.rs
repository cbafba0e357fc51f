//! Asking for memory in a way that can be refused: an allocation that fails elsewhere ends the process, and says nothing of what it was for.

use thiserror::Error;

/// There is not as much memory as something large needs.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no memory is left for {what}: {} MB were refused", bytes.div_ceil(1_000_000))]
pub struct NoMemory {
    pub what: &'static str,
    pub bytes: u64,
}

/// So many zeros.
///
/// # Errors
/// [`NoMemory`]
pub fn zeros<T: Copy + Default>(length: usize, what: &'static str) -> Result<Vec<T>, NoMemory> {
    let mut buffer = Vec::new();
    reserve(&mut buffer, length, what)?;
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
    buffer.try_reserve_exact(length).map_err(|_| NoMemory { what, bytes: bytes_of::<T>(length) })
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
        assert_eq!([zeros::<f32>(1 << 60, "weights").map(drop), room_for(1 << 60, "weights")], [Err(error.clone()), Err(error.clone())]);
        assert_eq!(error.to_string(), format!("no memory is left for weights: {} MB were refused", bytes.div_ceil(1_000_000)));
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
