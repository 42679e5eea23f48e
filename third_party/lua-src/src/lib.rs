//! Builds the Lua beside this file, for the build script of `mlua-sys`: the part of the crate
//! `lua-src` that it uses.

use std::env;
use std::path::{Path, PathBuf};

/// The versions of Lua that there are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 5.1.5
    Lua51,
}

pub use Version::Lua51;

/// A build, in a build script.
#[derive(Clone, Copy, Debug, Default)]
pub struct Build;

/// What a build has made.
#[derive(Clone, Debug)]
pub struct Artifacts {
    library_dir: PathBuf,
}

const LIBRARY: &str = "lua5.1";

impl Build {
    /// A build.
    pub fn new() -> Self {
        Self
    }

    /// Compiles Lua; a message on the terminal and no result if it can't be.
    pub fn build(&self, _: Version) -> Artifacts {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("lua-5.1.5");
        let out = env::var_os("OUT_DIR").expect("cargo tells build scripts where to write");
        let library_dir = Path::new(&out).join("lib");
        println!("cargo:rerun-if-changed={}", sources.display());
        let whole = whole(&sources, Path::new(&out));
        let mut build = cc::Build::new();
        if env::var("PROFILE").is_ok_and(|profile| profile == "debug") {
            // Tests find out this way if an argument of a function of Lua's is wrong.
            build.define("LUA_USE_APICHECK", None);
        }
        build
            .include(&sources)
            .file(whole)
            // Lua isn't ours to tidy up.
            .warnings(false)
            .define("LUA_USE_LINUX", None)
            .cargo_metadata(false)
            .out_dir(&library_dir)
            .compile(LIBRARY);
        Artifacts { library_dir }
    }
}

/// Writes a file that includes all of Lua's: compiled as one, its functions are inlined across
/// files. Returns its path.
fn whole(sources: &Path, out: &Path) -> PathBuf {
    let mut names: Vec<String> = std::fs::read_dir(sources)
        .expect("the sources lie beside this file")
        .map(|entry| entry.expect("a folder can be read to its end").file_name())
        .map(|name| name.into_string().expect("their names are plain"))
        .filter(|name| name.ends_with(".c"))
        .collect();
    names.sort();
    let mut text = String::from("#define luaall_c\n");
    for name in names {
        text += &format!("#include \"{name}\"\n");
    }
    let path = out.join("lua.c");
    std::fs::write(&path, text).expect("cargo's folder can be written");
    path
}

impl Artifacts {
    /// Tells cargo what to link with.
    pub fn print_cargo_metadata(&self) {
        println!("cargo:rustc-link-search=native={}", self.library_dir.display());
        println!("cargo:rustc-link-lib=static={LIBRARY}");
    }
}
