//! A product on AMX: 32 x 32 sums at a time, in four tiles, from two tiles of either factor.
//!
//! Rust has no stable names for these instructions yet, so they are written in assembly.

use std::arch::asm;
use std::arch::x86_64::{
    _mm_sfence, _mm512_loadu_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_stream_ps,
};

use super::block::Block;
use super::tiles::{LINES, Tile};

/// Rows and columns of sums at a time.
const SUMS: usize = 2 * LINES;

/// 32 x 32 sums.
#[repr(C, align(64))]
struct Stage([f32; SUMS * SUMS]);

/// Eight tiles of 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration([u8; 64]);

static CONFIGURATION: Configuration = {
    let mut bytes = [0; 64];
    bytes[0] = 1; // the palette
    let mut tile = 0;
    while tile < 8 {
        bytes[16 + 2 * tile] = 64;
        bytes[48 + tile] = LINES as u8;
        tile += 1;
    }
    Configuration(bytes)
};

/// Whether the machine has AMX for bf16, and the system lets this process use it, which it has to be asked for once.
pub(super) fn is_permitted() -> bool {
    const AMX_BF16: u32 = 1 << 22;
    const AMX_TILE: u32 = 1 << 24;
    let features = std::arch::x86_64::__cpuid_count(7, 0).edx;
    features & AMX_BF16 != 0 && features & AMX_TILE != 0 && ask_for_tiles()
}

/// Asks Linux for the state that tiles take, for all threads of the process.
///
/// Reference: "Using XSTATE features in user space applications" of the kernel's documentation.
#[cfg(target_os = "linux")]
fn ask_for_tiles() -> bool {
    const ARCH_PRCTL: isize = 158;
    const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
    const XFEATURE_XTILEDATA: usize = 18;
    let result: isize;
    #[expect(unsafe_code, reason = "a system call that no crate at hand offers")]
    // SAFETY: this call changes what the process may use, and no memory of its own.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XFEATURE_XTILEDATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result == 0
}

#[cfg(not(target_os = "linux"))]
fn ask_for_tiles() -> bool {
    false
}

/// Computes a block of a product.
///
/// # Safety
/// The machine has these instructions and the process may use them; the block's pointers are good for what they say.
#[expect(unsafe_code, reason = "assembly")]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn multiply(block: &Block<'_>) {
    let Block { steps, columns, rows, right_stride, .. } = *block;
    // What is computed elsewhere than where it belongs: at an edge, or on its way past the caches.
    let mut stage = Stage([0.0; SUMS * SUMS]);
    let stage = &mut stage.0;
    // SAFETY: the configuration is 64 bytes, and the tiles belong to this thread until they are released.
    unsafe { asm!("ldtilecfg [{}]", in(reg) CONFIGURATION.0.as_ptr(), options(nostack, readonly)) };
    for column in (0..columns).step_by(SUMS) {
        let width = (columns - column).min(SUMS);
        let right = pair(&block.right[column / LINES * right_stride..], right_stride);
        for row in (0..rows).step_by(SUMS) {
            let height = (rows - row).min(SUMS);
            let left = pair(&block.left[row / LINES * steps..], steps);
            // SAFETY: the block has these rows and columns, and the stage has 32 x 32 floats; where a block streams, its vectors are whole and aligned.
            unsafe {
                let sums = block.sums.add(row * block.stride + column);
                if width == SUMS && height == SUMS && !block.streams {
                    multiply_tiles(sums, block.stride, block.adds, left, right, steps);
                    continue;
                }
                if block.adds {
                    copy(stage.as_mut_ptr(), SUMS, sums, block.stride, [height, width]);
                }
                multiply_tiles(stage.as_mut_ptr(), SUMS, block.adds, left, right, steps);
                if block.streams {
                    stream(sums, block.stride, stage.as_ptr(), [height, width]);
                } else {
                    copy(sums, block.stride, stage.as_ptr(), SUMS, [height, width]);
                }
            }
        }
    }
    // SAFETY: nothing is in the tiles any more.
    unsafe { asm!("tilerelease", options(nostack, nomem)) };
    if block.streams {
        // What went past the caches is there before anybody hears that this is done.
        _mm_sfence();
    }
}

/// Copies rows of up to 32 floats, which begin `to_stride` and `from_stride` apart.
///
/// # Safety
/// Both have these rows and columns.
#[target_feature(enable = "avx512f")]
#[inline]
#[expect(unsafe_code, reason = "reads and writes through pointers")]
unsafe fn copy(
    to: *mut f32,
    to_stride: usize,
    from: *const f32,
    from_stride: usize,
    [height, width]: [usize; 2],
) {
    let mask = ((1_u64 << width) - 1) as u32;
    for line in 0..height {
        for half in 0..2 {
            let mask = (mask >> (half * LINES)) as u16;
            let from = from.wrapping_add(line * from_stride + half * LINES);
            let to = to.wrapping_add(line * to_stride + half * LINES);
            // SAFETY: the mask leaves out what is not of the row.
            unsafe { _mm512_mask_storeu_ps(to, mask, _mm512_maskz_loadu_ps(mask, from)) };
        }
    }
}

/// Copies rows of 32 floats to aligned ones of whole vectors, past the caches.
///
/// # Safety
/// Both have these rows and columns.
#[target_feature(enable = "avx512f")]
#[inline]
#[expect(unsafe_code, reason = "reads and writes through pointers")]
unsafe fn stream(to: *mut f32, stride: usize, from: *const f32, [height, width]: [usize; 2]) {
    for line in 0..height {
        for vector in (0..width).step_by(LINES) {
            // SAFETY: the caller's.
            unsafe {
                let sums = _mm512_loadu_ps(from.add(line * SUMS + vector));
                _mm512_stream_ps(to.add(line * stride + vector), sums);
            }
        }
    }
}

/// Where the tiles of the first 16 lines begin, and those of the next, or the first again if there are no others.
fn pair(tiles: &[Tile], stride: usize) -> [*const Tile; 2] {
    let second = if tiles.len() > stride { &tiles[stride..] } else { tiles };
    [tiles.as_ptr(), second.as_ptr()]
}

/// `sums (32 x 32) = left · right`, or `+=`.
///
/// # Safety
/// The tiles are configured; `sums` has 32 rows of 32 floats that begin `stride` apart, and every other pointer `steps` tiles, at least one.
#[expect(unsafe_code, reason = "assembly")]
unsafe fn multiply_tiles(
    sums: *mut f32,
    stride: usize,
    adds: bool,
    left: [*const Tile; 2],
    right: [*const Tile; 2],
    steps: usize,
) {
    // SAFETY: the caller's; no tile is read before this has written it.
    unsafe {
        asm!(
            "test {adds}, {adds}",
            "jz 2f",
            "tileloadd tmm0, [{upper} + {stride}]",
            "tileloadd tmm1, [{upper} + {stride} + 64]",
            "tileloadd tmm2, [{lower} + {stride}]",
            "tileloadd tmm3, [{lower} + {stride} + 64]",
            "jmp 3f",
            "2:",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "3:",
            "tileloadd tmm4, [{left0} + {line}]",
            "tileloadd tmm6, [{right0} + {line}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{right1} + {line}]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{left1} + {line}]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {left0}, 1024",
            "add {left1}, 1024",
            "add {right0}, 1024",
            "add {right1}, 1024",
            "dec {steps}",
            "jnz 3b",
            "tilestored [{upper} + {stride}], tmm0",
            "tilestored [{upper} + {stride} + 64], tmm1",
            "tilestored [{lower} + {stride}], tmm2",
            "tilestored [{lower} + {stride} + 64], tmm3",
            adds = in(reg) usize::from(adds),
            upper = in(reg) sums,
            lower = in(reg) sums.add(LINES * stride),
            stride = in(reg) stride * size_of::<f32>(),
            line = in(reg) 64usize,
            left0 = inout(reg) left[0] => _,
            left1 = inout(reg) left[1] => _,
            right0 = inout(reg) right[0] => _,
            right1 = inout(reg) right[1] => _,
            steps = inout(reg) steps => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
