//! CLIENT LIST, INFO and KILL: the register of clients, shown and put to use.

use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

use commands::{Command, CommandError, Spec};
use protocol::Reply;

use crate::clients::{ClientInfo, flag};
use crate::message::Message;
use crate::pubsub::Kind;
use crate::session::auth::DEFAULT_USER;
use crate::session::client::filter::Filter;
use crate::session::client::{ADMIN, FILTERS, OWN, sub};
use crate::session::{Call, Outcome, SessionCommand};
use crate::shared::Shared;

const BY_CLIENTS: &str = "O(N) where N is the number of client connections";

/// CLIENT LIST [filter ...]
pub(super) const LIST: SessionCommand = Command {
    spec: Spec {
        complexity: BY_CLIENTS,
        summary: "Returns a line about each client.",
        syntax: FILTERS,
        tips: &["nondeterministic_output"],
        ..sub("list", -2, ADMIN, "2.4.0")
    },
    run: list,
    subcommands: &[],
};

/// CLIENT INFO
pub(super) const INFO: SessionCommand = Command {
    spec: Spec {
        summary: "Returns the line about this client.",
        tips: &["nondeterministic_output"],
        ..sub("info", 2, OWN, "6.2.0")
    },
    run: info,
    subcommands: &[],
};

/// CLIENT KILL addr | filter [filter ...]
pub(super) const KILL: SessionCommand = Command {
    spec: Spec {
        complexity: BY_CLIENTS,
        summary: "Closes the connections of clients.",
        syntax: "<ip:port | filter value [filter value ...]>",
        ..sub("kill", -3, ADMIN, "2.4.0")
    },
    run: kill,
    subcommands: &[],
};

fn list(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let filter = Filter::parse(call, "ERR Invalid client ID")?;
    let skips_me = filter.skip_me.unwrap_or(false);
    show_self(call);
    let now_ms = call.thread.now_ms();
    let mut lines = String::new();
    for info in call.shared.clients.all() {
        let is_hidden = skips_me && info.id == call.conn.info.id || info.killed.load(Relaxed);
        if !is_hidden && filter.matches(&info, now_ms) {
            line(&mut lines, call.shared, &info, now_ms);
        }
    }
    reply.verbatim("txt", lines.as_bytes());
    Ok(Outcome::Done)
}

fn info(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    show_self(call);
    let mut text = String::new();
    line(
        &mut text,
        call.shared,
        &call.conn.info,
        call.thread.now_ms(),
    );
    reply.verbatim("txt", text.as_bytes());
    Ok(Outcome::Done)
}

/// The register is brought up to date at the end of a batch, but a client that looks at itself sees
/// the command it is in.
fn show_self(call: &mut Call<'_, '_>) {
    call.conn.last_command = call.entry.id as u32 + 1;
    call.conn.publish(call.conn.input_len);
    let argv = call.args.iter().map(<[u8]>::len).sum::<usize>();
    call.conn.info.argv_bytes.store(argv as u64, Relaxed);
}

/// A client in Redis's words: the fields of Redis 7.0 in its order, then those that came later.
fn line(out: &mut String, shared: &Shared, info: &ClientInfo, now_ms: u64) {
    let load = |value: &std::sync::atomic::AtomicU64| value.load(Relaxed);
    let command = match info.last_command.load(Relaxed) {
        0 => "NULL",
        id => shared.table.name_of(id as usize - 1),
    };
    let output = load(&info.output_bytes);
    let events = match (info.has(flag::UNREAD), output > 0) {
        (false, false) => "r",
        (false, true) => "rw",
        (true, _) => "w",
    };
    let (query, capacity) = (load(&info.query_bytes), load(&info.query_capacity));
    let argv = load(&info.argv_bytes);
    let subscribed = |kind: Kind| info.subscribed[kind as usize].load(Relaxed);
    let text = info.text().clone();
    let written = writeln!(
        out,
        "id={id} addr={addr} laddr={laddr} fd={fd} name={name} age={age} idle={idle} flags={flags} \
         db={db} sub={sub} psub={psub} ssub={ssub} multi={multi} qbuf={query} qbuf-free={free} \
         argv-mem={argv} multi-mem={multi_mem} rbs=0 rbp=0 obl=0 oll={buffers} omem={omem} \
         tot-mem={total} events={events} cmd={command} user={DEFAULT_USER} redir={redirect} \
         resp={resp} lib-name={lib_name} lib-ver={lib_ver} watch={watch} tot-net-in={net_in} \
         tot-net-out={net_out} tot-cmds={commands}",
        id = info.id,
        addr = info.socket.addr,
        laddr = info.socket.laddr,
        fd = info.socket.fd,
        name = text.name,
        age = info.age(now_ms),
        idle = info.idle(now_ms),
        flags = info.flag_letters(),
        db = info.db.load(Relaxed),
        sub = subscribed(Kind::Channel),
        psub = subscribed(Kind::Pattern),
        ssub = subscribed(Kind::ShardChannel),
        multi = info.multi.load(Relaxed),
        free = capacity.saturating_sub(query + argv),
        multi_mem = load(&info.multi_bytes),
        buffers = load(&info.output_buffers),
        omem = load(&info.output_memory),
        total = info.memory(),
        redirect = info.redirect.load(Relaxed),
        resp = if info.has(flag::RESP3) { 3 } else { 2 },
        lib_name = text.lib_name,
        lib_ver = text.lib_ver,
        watch = info.watching.load(Relaxed),
        net_in = info.net_in.get(),
        net_out = info.net_out.get(),
        commands = info.commands.get(),
    );
    written.expect("memory takes it");
}

fn kill(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let is_old_form = call.args.len() == 3;
    let filter = if is_old_form {
        Filter::by_addr(call.args.at(2))
    } else {
        Filter::parse(call, "ERR client-id should be greater than 0")?
    };
    let skips_me = filter.skip_me.unwrap_or(!is_old_form);
    let now_ms = call.thread.now_ms();
    let (mut killed, mut kills_me) = (0, false);
    for info in call.shared.clients.all() {
        if !filter.matches(&info, now_ms) {
            continue;
        }
        if info.id == call.conn.info.id {
            // It is closed after its reply.
            kills_me = !skips_me;
            killed += i64::from(kills_me);
        } else if info.doom() {
            call.shared.post(info.thread(), Message::Kill(info.token()));
            killed += 1;
        }
    }
    if !is_old_form {
        reply.int(killed);
    } else if killed > 0 {
        reply.ok();
    } else {
        return Err(CommandError::Text("ERR No such client"));
    }
    Ok(if kills_me {
        Outcome::Close
    } else {
        Outcome::Done
    })
}
