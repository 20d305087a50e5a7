//! Memory of ours that the GPU copies from by itself: locked in place, which is several times as
//! fast as memory that has to be copied aside first.

use std::ffi::{c_int, c_uint, c_void};

use libloading::os::unix::{Library, RTLD_LAZY, Symbol};

/// As the plug-in of TensorRT for RTX has opened it.
const CUDA_RUNTIME: &str = "libcudart.so.13";
/// `RTLD_NOLOAD` of Linux: only what is open already.
const RTLD_NOLOAD: c_int = 4;

/// Memory that stays where it is while this lives.
pub(super) struct PageLock {
    memory: *mut c_void,
    unlock: Symbol<unsafe extern "C" fn(*mut c_void) -> c_int>,
    _runtime: Library,
}

// SAFETY: the address is only handed back to CUDA, whose calls may come from any thread.
unsafe impl Send for PageLock {}

impl PageLock {
    /// Locks `memory`; `None` where CUDA is not there or declines, and copies are slower.
    ///
    /// # Safety
    /// The memory must live, where it is, for longer than this.
    pub(super) unsafe fn new(memory: *mut c_void, bytes: usize) -> Option<Self> {
        // SAFETY: a library that is open already runs no initialisers; the signatures are those of
        // cuda_runtime_api.h, unchanged since CUDA 4, and the caller vouches for the memory.
        unsafe {
            let runtime = Library::open(Some(CUDA_RUNTIME), RTLD_LAZY | RTLD_NOLOAD).ok()?;
            let lock: Symbol<unsafe extern "C" fn(*mut c_void, usize, c_uint) -> c_int> =
                runtime.get(b"cudaHostRegister").ok()?;
            let unlock = runtime.get(b"cudaHostUnregister").ok()?;
            (lock(memory, bytes, 0) == 0).then_some(Self { memory, unlock, _runtime: runtime })
        }
    }
}

impl Drop for PageLock {
    fn drop(&mut self) {
        // SAFETY: it was locked, and is still there. Should CUDA be gone, so is the lock.
        let _ = unsafe { (self.unlock)(self.memory) };
    }
}
