//! What clients are told of the cluster: SLOTS, SHARDS, NODES and INFO.

use std::net::SocketAddr;

use commands::Spec;
use protocol::Reply;

use super::{check_mode, node_id, plain, spec};
use crate::flags::values::EndpointType;
use crate::session::{Call, Outcome, SessionCommand};

const PER_NODE: &str = "O(N) where N is the total number of Cluster nodes";
const VARIES: &[&str] = &["nondeterministic_output"];
/// The port of the cluster bus lies so far above the one of clients.
const BUS_OFFSET: u32 = 10_000;
/// No slot has ever moved, so there was no other epoch.
const EPOCH: u64 = 1;

pub(super) const SLOTS: SessionCommand = plain(
    Spec {
        complexity: PER_NODE,
        summary: "Returns the mapping of cluster slots to nodes.",
        tips: VARIES,
        ..spec("slots", 2)
    },
    |call, reply| {
        check_mode(call)?;
        Node::of(call).write_slots(reply);
        Ok(Outcome::Done)
    },
);

pub(super) const SHARDS: SessionCommand = plain(
    Spec {
        since: "7.0.0",
        complexity: "O(N) where N is the total number of cluster nodes",
        summary: "Returns the mapping of cluster slots to shards.",
        tips: VARIES,
        ..spec("shards", 2)
    },
    |call, reply| {
        check_mode(call)?;
        Node::of(call).write_shards(reply);
        Ok(Outcome::Done)
    },
);

pub(super) const NODES: SessionCommand = plain(
    Spec {
        complexity: PER_NODE,
        summary: "Returns the cluster configuration for a node.",
        tips: VARIES,
        ..spec("nodes", 2)
    },
    |call, reply| {
        check_mode(call)?;
        reply.verbatim("txt", Node::of(call).line().as_bytes());
        Ok(Outcome::Done)
    },
);

pub(super) const INFO: SessionCommand = plain(
    Spec {
        summary: "Returns information about the state of a node.",
        tips: VARIES,
        ..spec("info", 2)
    },
    |call, reply| {
        check_mode(call)?;
        let text = format!(
            "cluster_state:ok\r\n\
             cluster_slots_assigned:16384\r\n\
             cluster_slots_ok:16384\r\n\
             cluster_slots_pfail:0\r\n\
             cluster_slots_fail:0\r\n\
             cluster_known_nodes:1\r\n\
             cluster_size:1\r\n\
             cluster_current_epoch:{EPOCH}\r\n\
             cluster_my_epoch:{EPOCH}\r\n\
             cluster_stats_messages_sent:0\r\n\
             cluster_stats_messages_received:0\r\n\
             total_cluster_links_buffer_limit_exceeded:0\r\n"
        );
        reply.verbatim("txt", text.as_bytes());
        Ok(Outcome::Done)
    },
);

/// This node, as the client that asks is told of it.
#[derive(Debug)]
struct Node<'a> {
    id: &'a str,
    /// Where nothing else was said, the address that the client has connected to: it is the one
    /// that is sure to work. Empty when the client has come through a Unix socket.
    ip: String,
    port: u32,
    bus_port: u32,
    hostname: &'a str,
    endpoint_type: EndpointType,
}

impl<'a> Node<'a> {
    fn of(call: &'a Call<'_, '_>) -> Self {
        let config = &call.thread.config;
        let (network, cluster) = (&config.network, &config.cluster);
        let reached: Option<SocketAddr> = call.conn.info.socket.laddr.parse().ok();
        let real_port = reached.map_or(network.port.unsigned_abs(), |at| u32::from(at.port()));
        let or_else = |announced: u16, other: u32| match u32::from(announced) {
            0 => other,
            port => port,
        };
        let port = or_else(
            cluster.cluster_announce_port,
            or_else(network.announce_port, real_port),
        );
        let announced = [&cluster.cluster_announce_ip, &network.announce_ip];
        let announced = announced.into_iter().find(|ip| !ip.is_empty());
        let reached_ip = || reached.map(|at| at.ip().to_canonical().to_string());
        let bus_port = or_else(cluster.cluster_port, real_port + BUS_OFFSET);
        Self {
            id: node_id(call),
            ip: announced.cloned().or_else(reached_ip).unwrap_or_default(),
            port,
            bus_port: or_else(cluster.cluster_announce_bus_port, bus_port),
            hostname: &cluster.cluster_announce_hostname,
            endpoint_type: cluster.cluster_preferred_endpoint_type,
        }
    }

    /// Where clients are to go; `None` is back to where they came from.
    fn endpoint(&self) -> Option<&str> {
        match self.endpoint_type {
            EndpointType::Ip => Some(&self.ip),
            EndpointType::HostName if self.hostname.is_empty() => Some("?"),
            EndpointType::HostName => Some(self.hostname),
            EndpointType::Unknown => None,
        }
    }

    fn write_slots(&self, reply: &mut Reply<'_>) {
        reply.array(1);
        reply.array(3);
        write_range(reply);
        reply.array(4);
        match self.endpoint() {
            Some(endpoint) => reply.bulk(endpoint.as_bytes()),
            None => reply.null(),
        }
        reply.int(i64::from(self.port));
        reply.bulk(self.id.as_bytes());
        let tells_ip = self.endpoint_type != EndpointType::Ip;
        let tells_hostname =
            self.endpoint_type != EndpointType::HostName && !self.hostname.is_empty();
        reply.map(usize::from(tells_ip) + usize::from(tells_hostname));
        if tells_ip {
            write_pair(reply, "ip", &self.ip);
        }
        if tells_hostname {
            write_pair(reply, "hostname", self.hostname);
        }
    }

    fn write_shards(&self, reply: &mut Reply<'_>) {
        reply.array(1);
        reply.map(2);
        reply.bulk(b"slots");
        reply.array(2);
        write_range(reply);
        reply.bulk(b"nodes");
        reply.array(1);
        let has_hostname = !self.hostname.is_empty();
        reply.map(7 + usize::from(has_hostname));
        write_pair(reply, "id", self.id);
        reply.bulk(b"port");
        reply.int(i64::from(self.port));
        write_pair(reply, "ip", &self.ip);
        write_pair(reply, "endpoint", self.endpoint().unwrap_or(""));
        if has_hostname {
            write_pair(reply, "hostname", self.hostname);
        }
        write_pair(reply, "role", "master");
        reply.bulk(b"replication-offset");
        reply.int(0);
        write_pair(reply, "health", "online");
    }

    fn line(&self) -> String {
        let Self {
            id,
            ip,
            port,
            bus_port,
            hostname,
            ..
        } = self;
        let comma = if hostname.is_empty() { "" } else { "," };
        format!(
            "{id} {ip}:{port}@{bus_port}{comma}{hostname} myself,master - 0 0 {EPOCH} connected \
             0-16383\n"
        )
    }
}

/// First and last slot.
fn write_range(reply: &mut Reply<'_>) {
    reply.int(0);
    reply.int(super::SLOTS as i64 - 1);
}

fn write_pair(reply: &mut Reply<'_>, name: &str, value: &str) {
    reply.bulk(name.as_bytes());
    reply.bulk(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(endpoint_type: EndpointType, hostname: &str) -> Node<'_> {
        Node {
            id: "id",
            ip: "10.1.2.3".to_owned(),
            port: 7,
            bus_port: 8,
            hostname,
            endpoint_type,
        }
    }

    #[test]
    fn clients_are_sent_where_the_settings_say() {
        let endpoint = |kind, hostname| node(kind, hostname).endpoint().map(str::to_owned);
        assert_eq!(endpoint(EndpointType::Ip, "h").as_deref(), Some("10.1.2.3"));
        assert_eq!(endpoint(EndpointType::HostName, "h").as_deref(), Some("h"));
        assert_eq!(endpoint(EndpointType::HostName, "").as_deref(), Some("?"));
        assert_eq!(endpoint(EndpointType::Unknown, "h"), None);
    }

    #[test]
    fn a_host_name_stands_behind_the_ports() {
        let named = node(EndpointType::Ip, "example.org").line();
        assert!(named.starts_with("id 10.1.2.3:7@8,example.org myself,master - 0 0 1 "));
        assert!(
            node(EndpointType::Ip, "")
                .line()
                .starts_with("id 10.1.2.3:7@8 myself")
        );
    }
}
