//! The network stack: queues of connections, buffers, ports, connection tracking, polling.

use super::{Probed, Subject, Topic};
use crate::{
    config::{Endpoint, about},
    io::runtime,
};

const SOMAXCONN: &str = "/proc/sys/net/core/somaxconn";
const RMEM: &str = "/proc/sys/net/ipv4/tcp_rmem";
const WMEM: &str = "/proc/sys/net/ipv4/tcp_wmem";
const PORT_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";
const CONNTRACK_MAX: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
const CONNTRACK_COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";

/// Send buffer that a link must be able to have for a full batch to leave in few writes.
const SEND_BYTES: u64 = 1 << 20;

/// The queue that the node asks for.
fn backlog_wanted() -> u64 {
    u64::from(runtime::BACKLOG.unsigned_abs())
}

pub(super) const BACKLOG: Topic = Topic {
    name: "backlog",
    source: SOMAXCONN,
    reason: "connections beyond it are dropped, and their clients try again a second later",
};

pub(super) fn backlog(subject: &Subject<'_>) -> Probed {
    let most = subject.host.number(SOMAXCONN)?;
    let wanted = backlog_wanted();
    let found = format!("{most}; each shard's listener asks for {wanted}");
    if most < wanted {
        BACKLOG.warn(found, format!("sysctl -w net.core.somaxconn={wanted}"))
    } else {
        BACKLOG.ok(found)
    }
}

pub(super) const SYN_BACKLOG: Topic = Topic {
    name: "syn-backlog",
    source: "/proc/sys/net/ipv4/tcp_max_syn_backlog, /proc/sys/net/ipv4/tcp_syncookies",
    reason: "handshakes beyond it are dropped, or answered with cookies that lose options",
};

pub(super) fn syn_backlog(subject: &Subject<'_>) -> Probed {
    let most = subject
        .host
        .number("/proc/sys/net/ipv4/tcp_max_syn_backlog")?;
    let cookies = subject.host.number("/proc/sys/net/ipv4/tcp_syncookies")?;
    let wanted = backlog_wanted();
    let found = format!("{most}, cookies {cookies}; a listener's queue holds {wanted}");
    let remedy = format!("sysctl -w net.ipv4.tcp_max_syn_backlog={}", wanted * 2);
    match (most < wanted, cookies) {
        (false, _) => SYN_BACKLOG.ok(found),
        (true, 0) => SYN_BACKLOG.warn(found, remedy),
        (true, _) => SYN_BACKLOG.note(found, remedy),
    }
}

pub(super) const BUFFERS: Topic = Topic {
    name: "buffers",
    source: "/proc/sys/net/ipv4/tcp_rmem, tcp_wmem; /proc/sys/net/core/rmem_max, wmem_max",
    reason: "TCP cannot use more of a link's window than its own; the node sets no fixed size",
};

pub(super) fn buffers(subject: &Subject<'_>) -> Probed {
    let receive = third(subject, RMEM)?;
    let send = third(subject, WMEM)?;
    let core = |name| subject.host.number(&format!("/proc/sys/net/core/{name}"));
    let (fixed_receive, fixed_send) = (core("rmem_max")?, core("wmem_max")?);
    let window = subject.config.limits.window_connection_bytes;
    let found = format!(
        "receive {} for windows of {}, send {}; core {} and {}, not asked for",
        about(receive),
        about(window),
        about(send),
        about(fixed_receive),
        about(fixed_send),
    );
    // Half of what TCP may buffer is window, unless tcp_adv_win_scale says otherwise.
    let wanted = window.saturating_mul(2);
    if receive < wanted {
        let remedy = format!("sysctl -w net.ipv4.tcp_rmem='4096 131072 {wanted}'");
        BUFFERS.warn(found, remedy)
    } else if send < SEND_BYTES {
        let wanted = SEND_BYTES * 4;
        BUFFERS.warn(
            found,
            format!("sysctl -w net.ipv4.tcp_wmem='4096 16384 {wanted}'"),
        )
    } else {
        BUFFERS.ok(found)
    }
}

/// The third of three numbers: the most that TCP may use.
fn third(subject: &Subject<'_>, path: &str) -> Result<u64, String> {
    let text = subject.host.read(path)?;
    let number = text
        .split_whitespace()
        .nth(2)
        .and_then(|word| word.parse().ok());
    number.ok_or_else(|| format!("{path} holds no three numbers: \"{text}\""))
}

pub(super) const PORTS: Topic = Topic {
    name: "ports",
    source: "/proc/sys/net/ipv4/ip_local_port_range, ip_local_reserved_ports",
    reason: "a client on this host may be given the listener's port while the node restarts",
};

pub(super) fn ports(subject: &Subject<'_>) -> Probed {
    let range = subject.host.read(PORT_RANGE)?;
    let mut bounds = range.split_whitespace().map(|word| word.parse::<u16>());
    let (Some(Ok(first)), Some(Ok(last))) = (bounds.next(), bounds.next()) else {
        return Err(format!("{PORT_RANGE} holds no range: \"{range}\""));
    };
    let reserved = subject.host.read(RESERVED)?;
    let is_reserved = |port: u16| {
        reserved.split(',').any(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let bounds = (first.trim().parse::<u16>(), last.trim().parse::<u16>());
            matches!(bounds, (Ok(first), Ok(last)) if (first..=last).contains(&port))
        })
    };
    let servers = subject.config.servers.iter();
    let listening = servers.filter_map(|server| match &server.endpoint {
        Endpoint::Tcp(address) => Some(address.port()),
        Endpoint::Unix(_) => None,
    });
    let admin = subject.config.admin.http.map(|address| address.port());
    let mut exposed: Vec<u16> = listening
        .chain(admin)
        .filter(|port| (first..=last).contains(port) && !is_reserved(*port))
        .collect();
    exposed.sort_unstable();
    exposed.dedup();
    if exposed.is_empty() {
        return PORTS.ok(format!(
            "{first} to {last}; no listener's port is among them"
        ));
    }
    let ports: Vec<String> = exposed.iter().map(ToString::to_string).collect();
    let ports = ports.join(",");
    let kept = if reserved.is_empty() {
        ports.clone()
    } else {
        format!("{reserved},{ports}")
    };
    PORTS.warn(
        format!("{first} to {last} holds {ports}, not reserved"),
        format!("sysctl -w net.ipv4.ip_local_reserved_ports={kept}"),
    )
}

pub(super) const CONNTRACK: Topic = Topic {
    name: "conntrack",
    source: CONNTRACK_MAX,
    reason: "tracked, every packet is looked up once more, and past the bound links are dropped",
};

pub(super) fn conntrack(subject: &Subject<'_>) -> Probed {
    if subject.host.read_if_there(CONNTRACK_MAX)?.is_none() {
        return CONNTRACK.ok("not loaded");
    }
    let most = subject.host.number(CONNTRACK_MAX)?;
    let tracked = subject.host.number(CONNTRACK_COUNT)?;
    let links = u64::from(subject.config.limits.links_max);
    let found = format!("loaded, {tracked} of {most} entries; links_max is {links}");
    // What else the host speaks, and connections that linger after their end.
    let wanted = links.saturating_mul(2);
    if most.saturating_sub(tracked) < links {
        CONNTRACK.warn(
            found,
            format!("sysctl -w net.netfilter.nf_conntrack_max={wanted}"),
        )
    } else {
        CONNTRACK.note(
            found,
            "nft 'notrack' for the listeners' ports, or no firewall state",
        )
    }
}

pub(super) const BUSY_POLL: Topic = Topic {
    name: "busy-poll",
    source: "/proc/sys/net/core/busy_poll, /proc/sys/net/core/busy_read",
    reason: "polling the card spends the shard's CPU to save interrupts; for lone streams only",
};

pub(super) fn busy_poll(subject: &Subject<'_>) -> Probed {
    let poll = subject.host.number("/proc/sys/net/core/busy_poll")?;
    let read = subject.host.number("/proc/sys/net/core/busy_read")?;
    if poll == 0 && read == 0 {
        return BUSY_POLL.ok("off");
    }
    BUSY_POLL.note(
        format!("busy_poll {poll} us, busy_read {read} us"),
        "sysctl -w net.core.busy_poll=0 net.core.busy_read=0",
    )
}
