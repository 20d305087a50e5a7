//! Memory that a run leaves to the allocator.

/// Gives memory that is free back to the system.
///
/// glibc keeps an arena for every few threads, and each keeps what it has: a run's threads are new
/// ones, with models, clips and frames in other arenas than those of the run before, so that a
/// process in which runs come and go would grow for hundreds of runs. To be called once a run is
/// over; it takes milliseconds.
pub fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes no pointer, and is safe to call beside allocations on other threads.
    unsafe {
        libc::malloc_trim(0);
    }
}
