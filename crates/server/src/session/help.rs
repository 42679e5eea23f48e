//! What the HELP of a container says, made from the declarations of its subcommands.

use commands::CommandError;
use protocol::Reply;

use crate::session::{Call, Outcome};

/// The HELP of the container that the arguments name.
pub(crate) fn help(
    call: &mut Call<'_, '_>,
    reply: &mut Reply<'_>,
) -> Result<Outcome, CommandError> {
    let entry = call.shared.table.find(call.args.at(0));
    let container = entry.expect("a subcommand that runs has a container");
    let mut lines = vec![format!(
        "{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        container.spec.name.to_uppercase()
    )];
    for sub in &container.subcommands {
        let head = format!("{} {}", sub.spec.name.to_uppercase(), sub.spec.syntax);
        lines.push(head.trim_end().to_owned());
        lines.push(format!("    {}", sub.spec.summary));
    }
    reply.array(lines.len());
    for line in lines {
        reply.simple(&line);
    }
    Ok(Outcome::Done)
}
