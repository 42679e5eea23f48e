//! Listeners and connected sockets, TCP and Unix, before a driver takes them.
//!
//! Options that concern connections (no delay, keep-alive, user timeout) are set on the listening
//! socket: Linux copies them to every socket accepted from it, so an accept costs no further call.

use crate::sys::{self, check};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// How TCP connections of a listener behave.
#[derive(Clone, Copy, Debug)]
pub struct TcpOptions {
    /// Length of the queue of connections not yet accepted (the kernel caps it at `somaxconn`).
    pub backlog: u32,
    /// Probe silent peers after this many seconds; zero: never.
    pub keepalive_secs: u32,
    /// Send small replies at once (no Nagle delay).
    pub nodelay: bool,
    /// Give up on a peer that acknowledges nothing for this many milliseconds; zero: the kernel's
    /// own patience.
    pub user_timeout_ms: u32,
    /// Let several listeners (one per thread) share the port.
    pub reuse_port: bool,
}

impl Default for TcpOptions {
    fn default() -> Self {
        TcpOptions {
            backlog: 511,
            keepalive_secs: 300,
            nodelay: true,
            user_timeout_ms: 0,
            reuse_port: false,
        }
    }
}

/// A bound, listening socket. A Unix socket's file is removed when its listener is dropped.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    path: Option<PathBuf>,
}

impl Listener {
    /// Listens on a TCP address; an IPv6 one takes IPv6 only.
    pub fn tcp(addr: SocketAddr, options: &TcpOptions) -> io::Result<Listener> {
        let family = if addr.is_ipv4() {
            libc::AF_INET
        } else {
            libc::AF_INET6
        };
        let fd = stream_socket(family)?;
        let raw = fd.as_raw_fd();
        sys::set_option(raw, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        if addr.is_ipv6() {
            sys::set_option(raw, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
        }
        if options.reuse_port {
            sys::set_option(raw, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
        }
        set_tcp_options(raw, options)?;
        let (storage, len) = encode(addr);
        // SAFETY: `storage` holds an address of `len` bytes; listen takes integers.
        unsafe {
            check(libc::bind(raw, (&raw const storage).cast(), len))?;
            check(libc::listen(raw, backlog(options.backlog)))?;
        }
        Ok(Listener { fd, path: None })
    }

    /// Listens on a Unix socket, with the file's permissions set to `mode` if given. A socket file
    /// that nobody answers on any more is replaced; any other file in the way is an error.
    pub fn unix(path: &Path, mode: Option<u32>, backlog_len: u32) -> io::Result<Listener> {
        let fd = stream_socket(libc::AF_UNIX)?;
        let (address, len) = encode_path(path)?;
        remove_stale(path)?;
        // SAFETY: `address` holds an address of `len` bytes; listen takes integers.
        unsafe { check(libc::bind(fd.as_raw_fd(), (&raw const address).cast(), len))? };
        let listener = Listener {
            fd,
            path: Some(path.to_owned()),
        };
        // Nobody can connect before `listen`, so the permissions are in force from the start.
        if let Some(mode) = mode {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        // SAFETY: integers only.
        check(unsafe { libc::listen(listener.fd.as_raw_fd(), backlog(backlog_len)) })?;
        Ok(listener)
    }

    /// The TCP address it is bound to, with the port the kernel chose if it was zero.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        name_of(self.fd.as_raw_fd(), libc::getsockname)
    }

    /// The descriptor.
    pub fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// What makes it stop listening, wherever the listener itself is by then.
    pub fn stopper(&self) -> io::Result<Stopper> {
        Ok(Stopper(self.fd.try_clone()?))
    }
}

/// Ends the listening of a [`Listener`] that some driver has.
#[derive(Debug)]
pub struct Stopper(OwnedFd);

impl Stopper {
    /// From now on nobody can connect, and the address is free to be listened on again.
    pub fn stop(self) {
        sys::shutdown(self.0.as_raw_fd());
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Nobody is left to tell, and a file left behind is recognised as stale.
            let _ = fs::remove_file(path);
        }
    }
}

/// What can be asked of a socket of any backend.
pub trait Endpoint {
    /// The peer's address, as [`Socket::peer`] prints it.
    fn peer(&self) -> String;
    /// This side's address.
    fn local(&self) -> String;
    /// Whether it is a Unix socket.
    fn is_unix(&self) -> bool;

    /// The descriptor; 0 where there is none.
    fn fd(&self) -> RawFd {
        0
    }

    /// Changes the TCP options, where there are any.
    fn set_options(&self, options: &TcpOptions) -> io::Result<()> {
        let _ = options;
        Ok(())
    }
}

impl Endpoint for Socket {
    fn peer(&self) -> String {
        Socket::peer(self)
    }

    fn local(&self) -> String {
        Socket::local(self)
    }

    fn is_unix(&self) -> bool {
        Socket::is_unix(self)
    }

    fn fd(&self) -> RawFd {
        Socket::fd(self)
    }

    fn set_options(&self, options: &TcpOptions) -> io::Result<()> {
        Socket::set_options(self, options)
    }
}

/// A connected stream socket that no driver has adopted.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
}

impl Socket {
    /// Wraps a connected socket in blocking mode: the drivers ask for non-blocking behaviour per
    /// call, and `io_uring` would give up early on a non-blocking one.
    pub(crate) fn from_fd(fd: OwnedFd) -> Socket {
        Socket { fd }
    }

    fn from_foreign(fd: OwnedFd) -> Socket {
        // Fails only on a descriptor that is not open, which an owned one is.
        let _ = sys::set_nonblocking(fd.as_raw_fd(), false);
        Socket { fd }
    }

    /// The peer as Redis prints it: `127.0.0.1:1234`, `[::1]:1234`, or for a Unix socket the path
    /// and `:0`. Asks the kernel; keep the answer if it is needed again.
    pub fn peer(&self) -> String {
        match name_of(self.fd(), libc::getpeername) {
            Some(addr) => addr.to_string(),
            None => self.path_name(),
        }
    }

    /// This side's address, printed likewise.
    pub fn local(&self) -> String {
        match name_of(self.fd(), libc::getsockname) {
            Some(addr) => addr.to_string(),
            None => self.path_name(),
        }
    }

    /// Whether it is a Unix socket.
    pub fn is_unix(&self) -> bool {
        raw_name(self.fd(), libc::getsockname)
            .is_some_and(|(storage, _)| i32::from(storage.ss_family) == libc::AF_UNIX)
    }

    /// The descriptor.
    pub fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Changes the no-delay and keep-alive options of a TCP connection.
    pub fn set_options(&self, options: &TcpOptions) -> io::Result<()> {
        set_tcp_options(self.fd(), options)
    }

    /// The server's path and `:0`; it is the name of both ends of an accepted Unix connection,
    /// because clients do not bind theirs.
    fn path_name(&self) -> String {
        let path = raw_name(self.fd(), libc::getsockname).and_then(decode_path);
        format!("{}:0", path.unwrap_or_default())
    }
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Socket {
        Socket::from_foreign(stream.into())
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Socket {
        Socket::from_foreign(stream.into())
    }
}

fn stream_socket(family: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: integers only; a non-negative result is a descriptor that nobody else owns.
    unsafe {
        let fd = check(libc::socket(
            family,
            libc::SOCK_STREAM | libc::SOCK_CLOEXEC,
            0,
        ))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

fn backlog(length: u32) -> libc::c_int {
    libc::c_int::try_from(length).unwrap_or(libc::c_int::MAX)
}

fn set_tcp_options(fd: RawFd, options: &TcpOptions) -> io::Result<()> {
    let tcp = libc::IPPROTO_TCP;
    sys::set_option(fd, tcp, libc::TCP_NODELAY, i32::from(options.nodelay))?;
    let keepalive = i32::try_from(options.keepalive_secs).unwrap_or(i32::MAX);
    sys::set_option(
        fd,
        libc::SOL_SOCKET,
        libc::SO_KEEPALIVE,
        i32::from(keepalive > 0),
    )?;
    if keepalive > 0 {
        // Three probes, a third of the time apart: a dead peer is noticed after about twice it.
        sys::set_option(fd, tcp, libc::TCP_KEEPIDLE, keepalive)?;
        sys::set_option(fd, tcp, libc::TCP_KEEPINTVL, (keepalive / 3).max(1))?;
        sys::set_option(fd, tcp, libc::TCP_KEEPCNT, 3)?;
    }
    let patience = i32::try_from(options.user_timeout_ms).unwrap_or(i32::MAX);
    sys::set_option(fd, tcp, libc::TCP_USER_TIMEOUT, patience)
}

/// Makes room for a new Unix socket where an old process left its file behind.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.file_type().is_socket() => {}
        _ => return Ok(()),
    }
    if UnixStream::connect(path).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    fs::remove_file(path)
}

fn encode(addr: SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: all zeroes is a valid sockaddr_storage.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let place = &raw mut storage;
    let len = match addr {
        SocketAddr::V4(addr) => {
            let name = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: addr.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from(*addr.ip()).to_be(),
                },
                sin_zero: [0; 8],
            };
            // SAFETY: sockaddr_storage is large and aligned enough for every address type.
            unsafe { place.cast::<libc::sockaddr_in>().write(name) };
            mem::size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(addr) => {
            let name = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: addr.port().to_be(),
                sin6_flowinfo: addr.flowinfo(),
                sin6_addr: libc::in6_addr {
                    s6_addr: addr.ip().octets(),
                },
                sin6_scope_id: addr.scope_id(),
            };
            // SAFETY: as above.
            unsafe { place.cast::<libc::sockaddr_in6>().write(name) };
            mem::size_of::<libc::sockaddr_in6>()
        }
    };
    (storage, len as libc::socklen_t)
}

fn encode_path(path: &Path) -> io::Result<(libc::sockaddr_un, libc::socklen_t)> {
    // SAFETY: all zeroes is a valid sockaddr_un.
    let mut address: libc::sockaddr_un = unsafe { mem::zeroed() };
    let bytes = path.as_os_str().as_bytes();
    // One byte stays zero: the terminator.
    if bytes.is_empty() || bytes.len() >= address.sun_path.len() || bytes.contains(&0) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a Unix socket path has 1 to 107 bytes and no zero byte",
        ));
    }
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (slot, &byte) in address.sun_path.iter_mut().zip(bytes) {
        *slot = byte as libc::c_char;
    }
    Ok((
        address,
        mem::size_of::<libc::sockaddr_un>() as libc::socklen_t,
    ))
}

type NameCall =
    unsafe extern "C" fn(libc::c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

fn raw_name(fd: RawFd, call: NameCall) -> Option<(libc::sockaddr_storage, usize)> {
    // SAFETY: all zeroes is a valid sockaddr_storage.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let mut len = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: `storage` is writable for `len` bytes, and `call` is getsockname or getpeername.
    check(unsafe { call(fd, (&raw mut storage).cast(), &raw mut len) }).ok()?;
    Some((storage, len as usize))
}

/// The Internet address, if it is one.
fn name_of(fd: RawFd, call: NameCall) -> Option<SocketAddr> {
    let (storage, _) = raw_name(fd, call)?;
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which address type the storage holds.
            let name = unsafe { (&raw const storage).cast::<libc::sockaddr_in>().read() };
            let ip = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(name.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let name = unsafe { (&raw const storage).cast::<libc::sockaddr_in6>().read() };
            let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, u16::from_be(name.sin6_port), 0, 0).into())
        }
        _ => None,
    }
}

fn decode_path((storage, len): (libc::sockaddr_storage, usize)) -> Option<String> {
    if i32::from(storage.ss_family) != libc::AF_UNIX {
        return None;
    }
    // SAFETY: the family says that the storage holds a sockaddr_un, which fits into it.
    let name = unsafe { (&raw const storage).cast::<libc::sockaddr_un>().read() };
    let path_len = len.saturating_sub(mem::offset_of!(libc::sockaddr_un, sun_path));
    let bytes: Vec<u8> = name
        .sun_path
        .iter()
        .take(path_len)
        .map(|&byte| byte as u8)
        .collect();
    let end = bytes
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(bytes.len());
    Some(
        OsStr::from_bytes(&bytes[..end])
            .to_string_lossy()
            .into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    fn option(fd: RawFd, level: i32, name: i32) -> i32 {
        let mut value = 0i32;
        let mut len = mem::size_of::<i32>() as libc::socklen_t;
        let place = (&raw mut value).cast();
        // SAFETY: `value` and `len` are valid places.
        check(unsafe { libc::getsockopt(fd, level, name, place, &raw mut len) }).unwrap();
        value
    }

    #[test]
    fn accepted_sockets_inherit_the_options() {
        let options = TcpOptions {
            keepalive_secs: 60,
            user_timeout_ms: 1234,
            ..TcpOptions::default()
        };
        let listener = Listener::tcp("127.0.0.1:0".parse().unwrap(), &options).unwrap();
        let addr = listener.local_addr().unwrap();
        let client = TcpStream::connect(addr).unwrap();
        let socket = Socket::from_fd(sys::accept(listener.fd()).unwrap());
        let fd = socket.fd();
        assert_ne!(option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY), 0);
        assert_ne!(option(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE), 0);
        assert_eq!(option(fd, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE), 60);
        assert_eq!(option(fd, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL), 20);
        assert_eq!(option(fd, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT), 1234);
        assert_eq!(socket.peer(), client.local_addr().unwrap().to_string());
        assert_eq!(socket.local(), addr.to_string());
        assert!(!socket.is_unix());
    }

    #[test]
    fn ipv6_is_separate_from_ipv4() {
        let options = TcpOptions::default();
        let Ok(six) = Listener::tcp("[::1]:0".parse().unwrap(), &options) else {
            println!("skipped: no IPv6 here");
            return;
        };
        let port = six.local_addr().unwrap().port();
        let _client = TcpStream::connect(("::1", port)).unwrap();
        let socket = Socket::from_fd(sys::accept(six.fd()).unwrap());
        assert_eq!(socket.local(), format!("[::1]:{port}"));
        let four = Listener::tcp(SocketAddr::from(([127, 0, 0, 1], port)), &options);
        assert!(four.is_ok());
    }

    #[test]
    fn unix_sockets_replace_stale_files_only() {
        let path = std::env::temp_dir().join(format!("reactor-net-{}.sock", std::process::id()));
        let listener = Listener::unix(&path, Some(0o700), 16).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        let _client = UnixStream::connect(&path).unwrap();
        let socket = Socket::from_fd(sys::accept(listener.fd()).unwrap());
        let name = format!("{}:0", path.display());
        assert_eq!((socket.peer(), socket.local()), (name.clone(), name));
        assert!(socket.is_unix());
        assert!(listener.local_addr().is_none());

        let busy = Listener::unix(&path, None, 16).unwrap_err();
        assert_eq!(busy.kind(), ErrorKind::AddrInUse);

        drop(listener);
        assert!(!path.exists());
        // The standard library's listener leaves its file behind.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(Listener::unix(&path, None, 16).unwrap());

        fs::write(&path, "not a socket").unwrap();
        assert!(Listener::unix(&path, None, 16).is_err());
        assert!(path.exists());
        fs::remove_file(&path).unwrap();
        assert!(Listener::unix(Path::new(""), None, 16).is_err());
    }
}
