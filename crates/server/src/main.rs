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
/// - Huge pages spare a table walk for nearly every key that is looked up: 8 to 12 % of the CPU per
///   command with a million keys. jemalloc's allocator for them (`hpa`) fills one after the other.
///   `--disable_thp` turns huge pages off for the process.
/// - `enforce_hugify` takes a huge page apart before some of it is given back, and asks for it
///   again once it is full. Where the kernel may still make it huge it fills the holes, which the
///   allocator never knows: after churn that were 14 to 26 MiB of 90. (With `thp:always` a server
///   that used 6 MB held 66.)
/// - Until a page is asked for again jemalloc's thread sleeps and gives nothing back either: a
///   quarter of a second, not ten of them.
/// - What is freed goes back to the system after a quarter of a second rather than ten, down to a
///   twentieth of what is used: a table that grows leaves its smaller self behind.
/// - Without `cache_oblivious` a slab of 64 KiB takes 64 KiB and not 68. These two spare 6 to 20 %
///   of the memory of a million keys.
#[allow(non_upper_case_globals)]
// SAFETY: jemalloc declares this symbol weak for programs to define: a pointer to a C string.
#[unsafe(export_name = "malloc_conf")]
pub static malloc_conf: Option<&'static std::ffi::c_char> = {
    let text: &'static std::ffi::CStr = c"hpa:true,hpa_hugify_style:eager,\
experimental_hpa_enforce_hugify:true,hpa_hugify_delay_ms:250,\
hpa_dirty_mult:0.05,hpa_min_purge_interval_ms:250,cache_oblivious:false,dirty_decay_ms:250";
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
