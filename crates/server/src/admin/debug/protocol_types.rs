//! DEBUG PROTOCOL: a reply of each type, for the tests of clients.

use commands::CommandError;
use protocol::Reply;

use crate::session::Call;

/// DEBUG PROTOCOL type
pub(super) fn protocol(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), CommandError> {
    let name = call.args[2].to_ascii_lowercase();
    match &name[..] {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.int(12345),
        // The very number that the suite expects.
        #[allow(clippy::approx_constant)]
        b"double" => reply.double(3.141),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.int(number));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.int(number));
        }
        b"map" => {
            reply.map(3);
            for number in 0..3 {
                reply.int(number);
                reply.bool(number == 1);
            }
        }
        b"attrib" => {
            if reply.is_resp3() {
                reply.attribute(1);
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.int(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" => {
            if !reply.is_resp3() {
                return Err(CommandError::Text(
                    "ERR RESP2 is not supported by this command",
                ));
            }
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.int(42);
            reply.bulk(b"Some real reply following the push reply");
        }
        b"true" => reply.bool(true),
        b"false" => reply.bool(false),
        b"verbatim" => reply.verbatim("txt", b"This is a verbatim\nstring"),
        b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
        _ => {
            return Err(CommandError::Text(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}
