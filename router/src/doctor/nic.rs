//! Network cards: on which node they sit, and whom their queues interrupt.

use super::{
    Probed, Subject, Topic, count,
    cpus::sorted,
    host::{parse_list, show_list},
};

const NET: &str = "/sys/class/net";
const NODES: &str = "/sys/devices/system/node";

/// The script that moves interrupts.
const PLACE: &str = "tuning/place.sh apply";

pub(super) const NUMA: Topic = Topic {
    name: "numa",
    source: "/sys/devices/system/node/node*/cpulist, /sys/class/net/*/device/numa_node",
    reason: "memory and cards of another node are reached over the link between the sockets",
};

pub(super) fn numa(subject: &Subject<'_>) -> Probed {
    if !subject.host.has(NODES) {
        return NUMA.ok("the kernel knows of one node");
    }
    let mut nodes = Vec::new();
    for name in subject.host.names(NODES)? {
        if let Some(number) = name
            .strip_prefix("node")
            .and_then(|n| n.parse::<i64>().ok())
        {
            let cpus = subject.host.cpus(&format!("{NODES}/{name}/cpulist"))?;
            nodes.push((number, cpus));
        }
    }
    let shards = sorted(&subject.config.cpus);
    let used: Vec<i64> = (nodes.iter())
        .filter(|(_, cpus)| shards.iter().any(|shard| cpus.contains(shard)))
        .map(|(number, _)| *number)
        .collect();
    let shown: Vec<String> = used.iter().map(ToString::to_string).collect();
    let shown = shown.join(", ");
    for card in cards(subject)? {
        let path = format!("{NET}/{card}/device/numa_node");
        // Minus one is a card that belongs to no node, or a firmware that does not tell.
        let node = subject.host.read_if_there(&path)?;
        let node: Option<i64> = node.and_then(|text| text.parse().ok());
        let Some(node) = node.filter(|node| *node >= 0) else {
            continue;
        };
        if used.iter().any(|used| *used != node) {
            let near = nodes.iter().find(|(number, _)| *number == node);
            let near = near.map_or_else(String::new, |(_, cpus)| show_list(cpus));
            return NUMA.warn(
                format!("{card} is on node {node}, shards are on {shown}"),
                format!("slipring.cpus: CPUs of node {node}, which are {near}"),
            );
        }
    }
    if used.len() > 1 {
        return NUMA.note(
            format!("shards are on nodes {shown}; handoffs cross between them"),
            "one node process for each NUMA node, or slipring.cpus of one node",
        );
    }
    NUMA.ok(format!("all shards are on node {shown}"))
}

pub(super) const INTERRUPTS: Topic = Topic {
    name: "interrupts",
    source: "/proc/interrupts, /proc/irq/*/effective_affinity_list, /sys/class/net/*/device",
    reason: "the kernel handles packets where the card interrupts, in the time of that shard",
};

pub(super) fn interrupts(subject: &Subject<'_>) -> Probed {
    if subject
        .config
        .servers
        .iter()
        .all(|server| server.endpoint.is_local())
    {
        return INTERRUPTS.ok("every listener is local; no card is involved");
    }
    let shards = sorted(&subject.config.cpus);
    let online = subject.host.cpus("/sys/devices/system/cpu/online")?;
    let free: Vec<usize> = (online.into_iter())
        .filter(|cpu| !shards.contains(cpu))
        .collect();
    let queues = queues(subject)?;
    if queues.is_empty() {
        return Err("no card with queues of its own was found".to_owned());
    }
    let mut hit: Vec<usize> = Vec::new();
    let mut on_shards = 0;
    for irq in &queues {
        let cpus = affinity(subject, *irq)?;
        let struck: Vec<usize> = (cpus.into_iter())
            .filter(|cpu| shards.contains(cpu))
            .collect();
        on_shards += usize::from(!struck.is_empty());
        hit.extend(struck);
    }
    let all = count(queues.len(), "queue");
    if on_shards == 0 {
        return INTERRUPTS.ok(format!("{all}, none on a shard's CPU"));
    }
    let hit = sorted(&hit);
    let found = format!("{on_shards} of {all} on shards' CPUs {}", show_list(&hit));
    if !free.is_empty() {
        let free = show_list(&free);
        return INTERRUPTS.warn(
            format!("{found}, although {free} carry none"),
            format!("{PLACE} --shards {} --irqs {free}", show_list(&shards)),
        );
    }
    if hit.len() < shards.len() && queues.len() >= shards.len() {
        let shards = show_list(&shards);
        return INTERRUPTS.warn(
            format!("{found} only; the other shards do not share the load"),
            format!("{PLACE} --shards {shards} --irqs {shards}"),
        );
    }
    INTERRUPTS.note(
        format!("{found}; every CPU carries a shard"),
        "slipring.cpus: all but one or two CPUs, which then take the interrupts",
    )
}

/// Cards that are hardware, or look like it, and are up.
fn cards(subject: &Subject<'_>) -> Result<Vec<String>, String> {
    let is_card = |name: &String| {
        let state = subject.host.read(&format!("{NET}/{name}/operstate"));
        subject.host.has(&format!("{NET}/{name}/device"))
            && state.is_ok_and(|state| state != "down")
    };
    Ok(subject
        .host
        .names(NET)?
        .into_iter()
        .filter(is_card)
        .collect())
}

/// The interrupts of all cards' queues.
fn queues(subject: &Subject<'_>) -> Result<Vec<u32>, String> {
    let table = subject.host.read("/proc/interrupts")?;
    let mut queues = Vec::new();
    for card in cards(subject)? {
        // Drivers name interrupts after the interface; virtio names them after the device.
        let device = subject.host.link_name(&format!("{NET}/{card}/device"));
        let owners = [Some(card), device];
        let owners: Vec<&String> = owners.iter().flatten().collect();
        queues.extend(table.lines().filter_map(|line| {
            let (number, rest) = line.split_once(':')?;
            let name = rest.split_whitespace().last()?;
            let is_queue = owners.iter().any(|owner| is_queue_of(name, owner));
            let number = number.trim().parse::<u32>().ok();
            number.filter(|_| is_queue)
        }));
    }
    Ok(queues)
}

/// Whether an interrupt called `name` belongs to a queue of `owner`: `eth0-rx-1`, `mlx5_comp0@eth0`,
/// `virtio2-input.0`, but not `virtio2-config`, and not `eth01-rx-1`.
fn is_queue_of(name: &str, owner: &str) -> bool {
    let is_bounded = name
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .any(|word| word == owner);
    is_bounded
        && !["config", "control", "async"]
            .iter()
            .any(|word| name.contains(word))
}

/// The CPUs that an interrupt strikes, else may strike.
fn affinity(subject: &Subject<'_>, irq: u32) -> Result<Vec<usize>, String> {
    let effective = format!("/proc/irq/{irq}/effective_affinity_list");
    let effective = subject.host.read_if_there(&effective)?;
    match effective.as_deref().and_then(parse_list) {
        Some(cpus) if !cpus.is_empty() => Ok(cpus),
        _ => subject
            .host
            .cpus(&format!("/proc/irq/{irq}/smp_affinity_list")),
    }
}
