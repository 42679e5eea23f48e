//! How much processor time the process has used.

/// Processor time in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// In the program.
    pub user_us: u64,
    /// In the kernel on its behalf.
    pub system_us: u64,
}

/// What all threads of the process have used, those that have ended included.
pub fn process_times() -> CpuTimes {
    times_of(libc::RUSAGE_SELF)
}

/// What child processes that have ended have used.
pub fn children_times() -> CpuTimes {
    times_of(libc::RUSAGE_CHILDREN)
}

fn times_of(who: libc::c_int) -> CpuTimes {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the call writes a whole rusage, and one of zeros is valid should it fail.
    let usage = unsafe {
        libc::getrusage(who, usage.as_mut_ptr());
        usage.assume_init()
    };
    let microseconds = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    CpuTimes {
        user_us: microseconds(usage.ru_utime),
        system_us: microseconds(usage.ru_stime),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_for_who_works() {
        let start = std::time::Instant::now();
        let before = process_times();
        while start.elapsed().as_millis() < 50 {
            std::hint::spin_loop();
        }
        let after = process_times();
        let used = |times: CpuTimes| times.user_us + times.system_us;
        assert!(used(after) > used(before));
        assert_eq!(children_times().user_us, 0);
    }
}
