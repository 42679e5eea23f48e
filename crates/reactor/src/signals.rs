//! Signals that ask the process to end, taken by a thread that does nothing else.

use std::io;

/// Signals that are waited for instead of ending the process.
#[derive(Debug)]
pub struct Signals(libc::sigset_t);

/// SIGTERM and SIGINT by number.
pub const TERMINATE: i32 = libc::SIGTERM;
/// See [`TERMINATE`].
pub const INTERRUPT: i32 = libc::SIGINT;
/// SIGHUP: the terminal is gone.
pub const HANG_UP: i32 = libc::SIGHUP;

impl Signals {
    /// Holds these signals back, from this thread and those that it starts: to be called before it
    /// starts any.
    pub fn hold(signals: &[i32]) -> io::Result<Self> {
        let mut set = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: sigemptyset initialises the set that the other calls then work on.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for &signal in signals {
                libc::sigaddset(set.as_mut_ptr(), signal);
            }
            let set = set.assume_init();
            match libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) {
                0 => Ok(Self(set)),
                error => Err(io::Error::from_raw_os_error(error)),
            }
        }
    }

    /// Waits for the next of them; returns its number.
    pub fn wait(&self) -> io::Result<i32> {
        let mut signal = 0;
        // SAFETY: the set was initialised by `hold`; the number is written to `signal`.
        match unsafe { libc::sigwait(&raw const self.0, &raw mut signal) } {
            0 => Ok(signal),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_is_held_can_be_waited_for() {
        // In a thread, whose mask is its own.
        let taken = std::thread::spawn(|| {
            let signals = Signals::hold(&[libc::SIGUSR2]).unwrap();
            // SAFETY: sends the signal to this very thread, which holds it back.
            unsafe { libc::raise(libc::SIGUSR2) };
            signals.wait().unwrap()
        });
        assert_eq!(taken.join().unwrap(), libc::SIGUSR2);
    }
}
