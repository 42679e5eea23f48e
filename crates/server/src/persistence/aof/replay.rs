//! Running the commands of a log file again.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use commands::{Args, OwnedArgs};
use protocol::{Arg, Limits, Parsed, Parser, Reply};
use reactor::ConnId;
use store::Txn;

use crate::clients::{ClientInfo, SocketDescription};
use crate::conn::Conn;
use crate::log::warn;
use crate::session::{Call, Session};
use crate::shared::Shared;
use crate::table::{Entry, Run};
use crate::thread::Thread;

/// How much is read at once.
const READ: usize = 1 << 20;

/// A log file under way.
#[derive(Debug)]
pub(crate) struct Replay {
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
    /// Up to where the buffer was worked through, and where it begins in the file.
    at: usize,
    buffer_start: u64,
    is_read: bool,
    db: usize,
    /// Commands since MULTI, and where that stands in the file.
    open: Option<(u64, Vec<OwnedArgs>)>,
    /// Its end may be torn: that is cut off.
    may_be_torn: bool,
    conn: Box<Conn>,
}

impl Replay {
    /// Opens a log file, whose end is cut off if it is torn and `may_be_torn`.
    pub(crate) fn open(path: &Path, may_be_torn: bool) -> io::Result<Self> {
        Self::begin(path, File::open(path)?, Vec::new(), may_be_torn)
    }

    /// Goes on in a file that begins with something else; `rest` was read from it already.
    pub(crate) fn go_on(path: &Path, file: File, rest: Vec<u8>) -> io::Result<Self> {
        Self::begin(path, file, rest, true)
    }

    fn begin(path: &Path, mut file: File, rest: Vec<u8>, may_be_torn: bool) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            buffer_start: file.stream_position()? - rest.len() as u64,
            file,
            buffer: rest,
            at: 0,
            is_read: false,
            db: 0,
            open: None,
            may_be_torn,
            conn: Box::new(nobody()),
        })
    }

    /// Runs at most so many commands. Returns how many bytes were read from the file, and false at
    /// the end.
    pub(crate) fn run<'s>(
        &mut self,
        commands: usize,
        thread: &mut Thread,
        shared: &'s Shared,
        txn: &mut Txn<'s>,
    ) -> io::Result<(u64, bool)> {
        let mut bytes = 0;
        for _ in 0..commands {
            match self.next(thread, shared, txn)? {
                Some(read) => bytes += read,
                None => return Ok((bytes, false)),
            }
        }
        Ok((bytes, true))
    }

    /// Runs the next command. `None` at the end, else the bytes that were read from the file.
    fn next<'s>(
        &mut self,
        thread: &mut Thread,
        shared: &'s Shared,
        txn: &mut Txn<'s>,
    ) -> io::Result<Option<u64>> {
        let mut read = 0;
        loop {
            let mut args = Vec::new();
            let limits = Limits {
                max_bulk_len: u64::MAX >> 1,
                ..Limits::default()
            };
            let rest = &self.buffer[self.at..];
            if rest.first() == Some(&b'#') {
                // A note, such as the time.
                if let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
                    self.at += end + 1;
                    continue;
                }
            } else if !rest.is_empty() {
                if rest[0] != b'*' {
                    return Err(self.broken("no command begins there"));
                }
                match Parser::default().parse(rest, &limits, &mut args) {
                    Ok(Parsed::Command { consumed }) => {
                        let start = self.at;
                        self.at += consumed;
                        self.take((thread, shared, txn), start, &args)?;
                        return Ok(Some(read));
                    }
                    Ok(Parsed::Incomplete { .. }) => {}
                    Ok(Parsed::Inline { .. }) => return Err(self.broken("no command begins there")),
                    Err(error) => return Err(self.broken(&error.to_string())),
                }
            }
            if self.is_read {
                self.end()?;
                return Ok(None);
            }
            read += self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<u64> {
        self.buffer.drain(..self.at);
        self.buffer_start += self.at as u64;
        self.at = 0;
        // What is incomplete is read again from its beginning, so a long one is read in long steps.
        let wanted = READ.max(self.buffer.len()) as u64;
        let read = (&mut self.file)
            .take(wanted)
            .read_to_end(&mut self.buffer)? as u64;
        self.is_read = read < wanted;
        Ok(read)
    }

    /// The command at `start` of the buffer, which is whole.
    fn take(&mut self, to: To<'_, '_>, start: usize, ranges: &[Arg]) -> io::Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        let args = Args::new(&buffer[start..], ranges);
        let at = self.buffer_start + start as u64;
        let taken = if args.len() == 0 {
            Ok(())
        } else {
            self.take_command(to, at, args)
        };
        self.buffer = buffer;
        taken.map_err(|what| self.broken_at(at, &what))
    }

    fn take_command(&mut self, to: To<'_, '_>, at: u64, args: Args<'_>) -> Result<(), String> {
        if args.is(0, "multi") {
            return match self.open.replace((at, Vec::new())) {
                Some(_) => Err("MULTI inside MULTI".into()),
                None => Ok(()),
            };
        }
        if args.is(0, "exec") {
            let Some((_, commands)) = self.open.take() else {
                return Err("EXEC without MULTI".into());
            };
            let (thread, shared, txn) = to;
            return commands
                .iter()
                .try_for_each(|args| self.run_one((thread, shared, txn), args.borrow()));
        }
        match &mut self.open {
            Some((_, commands)) => commands.push(OwnedArgs::new(args.iter())),
            None => self.run_one(to, args)?,
        }
        Ok(())
    }

    fn run_one(&mut self, (thread, shared, txn): To<'_, '_>, args: Args<'_>) -> Result<(), String> {
        if args.is(0, "select") {
            let db = args.int(1).ok().and_then(|db| usize::try_from(db).ok());
            let db = db.filter(|&db| db < txn.store().dbnum());
            self.db = db.ok_or("a database that isn't there: start with a larger dbnum")?;
            return Ok(());
        }
        let mut entry = shared.table.find(args.at(0)).ok_or_else(|| unknown(args))?;
        if let (false, Some(name)) = (entry.subcommands.is_empty(), args.get(1)) {
            entry = entry.subcommand(name).ok_or_else(|| unknown(args))?;
        }
        if !entry.spec.accepts(args.len()) {
            return Err("a wrong number of arguments".into());
        }
        txn.in_db(self.db, |txn| {
            self.run_known((thread, shared, txn), (entry, args))
        })
    }

    fn run_known<'s>(
        &mut self,
        (thread, shared, txn): To<'_, 's>,
        (entry, args): (&'s Entry, Args<'_>),
    ) -> Result<(), String> {
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, false);
        txn.may_wait = false;
        let result = match entry.run {
            Run::Data(run) => run(txn, args, &mut reply),
            Run::Session(run) => {
                let mut call = Call {
                    shared,
                    thread,
                    conn: &mut self.conn,
                    txn,
                    entry,
                    args,
                };
                run(&mut call, &mut reply).map(|_| ())
            }
        };
        txn.commit(args.iter());
        result.map_err(|error| {
            let name = String::from_utf8_lossy(args.at(0));
            format!("{name} can't be repeated: {}", error.text())
        })
    }

    /// What is left isn't whole.
    fn end(&mut self) -> io::Result<()> {
        let whole = self.buffer_start + self.at as u64;
        let len = self.buffer_start + self.buffer.len() as u64;
        let whole = self.open.as_ref().map_or(whole, |&(start, _)| start);
        if whole == len {
            return Ok(());
        }
        if !self.may_be_torn {
            let what = "the rest of a transaction is missing (aof-load-truncated is no)";
            return Err(self.error_at(whole, "Unexpected end of file", what));
        }
        warn(&format!(
            "{}: the last transaction isn't whole, so its {} bytes are cut off at {whole} \
             (aof-load-truncated yes)",
            self.path.display(),
            len - whole
        ));
        let file = OpenOptions::new().write(true).open(&self.path)?;
        file.set_len(whole)?;
        file.sync_all()
    }

    fn broken(&self, what: &str) -> io::Error {
        self.broken_at(self.buffer_start + self.at as u64, what)
    }

    fn broken_at(&self, at: u64, what: &str) -> io::Error {
        self.error_at(at, "Bad file format", what)
    }

    fn error_at(&self, at: u64, kind: &str, what: &str) -> io::Error {
        io::Error::other(format!(
            "{kind} reading the append only file: {} is broken at byte {at}: {what}. Nothing was \
             started with half of the data: mend the file (redis-check-aof --fix), or move it away \
             to go on without",
            self.path.display()
        ))
    }
}

fn unknown(args: Args<'_>) -> String {
    let name = String::from_utf8_lossy(args.at(0)).into_owned();
    format!("Unknown command '{name}' reading the append only file")
}

/// Who runs a command, and on what.
type To<'a, 's> = (&'a mut Thread, &'s Shared, &'a mut Txn<'s>);

/// The client whose commands these are.
fn nobody() -> Conn {
    let socket = SocketDescription {
        addr: String::new(),
        laddr: String::new(),
        fd: -1,
        is_unix: true,
        is_admin: false,
    };
    let info = ClientInfo::new(0, socket, (0, 0), 0);
    Conn::new(ConnId(u32::MAX), Arc::new(info), Session::new(true))
}
