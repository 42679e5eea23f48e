//! The Darner server.

use std::io::Write;
use std::process::ExitCode;

use server::flags::load::Start;
use server::flags::{help, load_from_process};
use server::log;

#[global_allocator]
static ALLOCATOR: server::memory::Counting = server::memory::Counting;

/// jemalloc reads this before `main`.
///
/// Huge pages spare a table walk for nearly every key that is looked up: 8 to 12 % of the CPU per
/// command with a million keys. They are asked for by range, so an empty server stays small;
/// `--disable_thp` turns them off for the process. Without `cache_oblivious` a slab of 64 KiB takes
/// 64 KiB and not 68, and what is freed goes back to the system after a quarter of a second rather
/// than ten: a table that grows leaves its smaller self behind. The two spare 6 to 20 % of the
/// memory of a million keys.
#[allow(non_upper_case_globals)]
// SAFETY: jemalloc declares this symbol weak for programs to define: a pointer to a C string.
#[unsafe(export_name = "malloc_conf")]
pub static malloc_conf: Option<&'static std::ffi::c_char> = {
    let text: &'static std::ffi::CStr = c"thp:always,cache_oblivious:false,dirty_decay_ms:250";
    // SAFETY: a C string literal has at least its final zero.
    Some(unsafe { &*text.as_ptr() })
};

fn main() -> ExitCode {
    match load_from_process() {
        Ok(Start::Run(loaded)) => {
            let Err(error) = server::start::run(*loaded) else {
                return ExitCode::SUCCESS;
            };
            log::fail(&error.to_string());
            ExitCode::FAILURE
        }
        Ok(Start::Answer(question)) => {
            // A closed pipe (`darner --help | head`) is no failure.
            let _ = writeln!(std::io::stdout(), "{}", help::answer(question));
            ExitCode::SUCCESS
        }
        Err(error) => {
            // Where no one listens there is no one to tell.
            let _ = writeln!(std::io::stderr(), "darner: {error}");
            ExitCode::FAILURE
        }
    }
}
