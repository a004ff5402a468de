//! All figures in Prometheus' text format, printed or answered on a port.

use crate::failure::Failure;
use crate::figures::{ClientFigures, Counters, Latency, PoolFigures, Snapshot};
use crate::host::Host;
use crate::hypervisor::Hypervisor;
use hypercall_abi::control::{Counter, Unit};
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// How long a request may take to come.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a request that are read; what it asks for does not matter beyond its first line.
const REQUEST_BYTES_MAX: usize = 4096;

/// What is told of a host, a client and a pool alike, as the format wants it.
struct Metric {
    name: String,
    kind: &'static str,
    help: String,
}

/// A metric for each counter, in the order of [`Counters::shown`].
fn metrics() -> Vec<Metric> {
    let metric = |(name, counter, _): (String, Counter, u64)| match counter.unit {
        Unit::Events => {
            let name = format!("{name}_total");
            Metric { name, kind: "counter", help: counter.help.to_owned() }
        }
        Unit::Pages => Metric { name, kind: "gauge", help: format!("{}, of 4 KiB", counter.help) },
        Unit::Bytes => Metric { name, kind: "gauge", help: counter.help.to_owned() },
        Unit::Frames => Metric { name, kind: "gauge", help: format!("{}, in bytes", counter.help) },
    };
    Counters::default().shown().map(metric).collect()
}

/// The value of metric `at`.
fn value(at: usize, of: &Counters) -> u64 {
    of.shown().nth(at).map_or(0, |(_, _, value)| value)
}

/// The whole text.
pub(crate) fn text(snapshot: &Snapshot) -> String {
    let host = &snapshot.host;
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: u64| {
        head(&mut text, name, "gauge", help);
        let _ = writeln!(text, "tmem_{name} {value}");
    };
    gauge("host_clients", "Domains that use tmem", host.clients.into());
    gauge("host_pools", "Pools", host.pools.into());
    gauge("host_weights", "Sum of the clients' weights", host.weights.into());
    gauge("host_freeable_bytes", "Bytes that FLUSH could free", u64::from(host.freeable_mib) << 20);
    gauge("host_record_bytes", "Bytes of the records of clients and pools", host.record_bytes);
    gauge("host_held_bytes", "Bytes that Xen's heap has given to tmem", host.held_bytes);
    gauge("host_ready_bytes", "Bytes of free frames that tmem keeps ready", host.ready_bytes);
    for (at, Metric { name, kind, help }) in metrics().iter().enumerate() {
        let name = format!("host_{name}");
        head(&mut text, &name, kind, help);
        let _ = writeln!(text, "tmem_{name} {}", value(at, &host.counters));
    }
    clients(&mut text, snapshot);
    pools(&mut text, snapshot);
    all_latencies(&mut text, snapshot);
    text
}

fn clients(text: &mut String, snapshot: &Snapshot) {
    let clients = &snapshot.clients;
    head(text, "client_weight", "gauge", "Part of the ephemeral memory against other weights");
    for client in clients {
        let _ =
            writeln!(text, "tmem_client_weight{{domain=\"{}\"}} {}", client.domain, client.weight);
    }
    head(text, "client_frozen", "gauge", "1 if its puts of new pages are refused");
    for client in clients {
        let frozen = u8::from(client.is_frozen);
        let _ = writeln!(text, "tmem_client_frozen{{domain=\"{}\"}} {frozen}", client.domain);
    }
    for (at, Metric { name, kind, help }) in metrics().iter().enumerate() {
        head(text, &format!("client_{name}"), kind, help);
        for client in clients {
            let (domain, value) = (client.domain, value(at, &client.counters));
            let _ = writeln!(text, "tmem_client_{name}{{domain=\"{domain}\"}} {value}");
        }
    }
}

/// A shared pool is told once, with its owner, so that sums are right.
fn pools(text: &mut String, snapshot: &Snapshot) {
    for (at, Metric { name, kind, help }) in metrics().iter().enumerate() {
        head(text, &format!("pool_{name}"), kind, help);
        for (client, pool) in owned(snapshot) {
            let (labels, value) = (pool_labels(client, pool), value(at, &pool.counters));
            let _ = writeln!(text, "tmem_pool_{name}{{{labels}}} {value}");
        }
    }
}

/// All pools, each with its owner.
fn owned(snapshot: &Snapshot) -> impl Iterator<Item = (&ClientFigures, &PoolFigures)> {
    snapshot.clients.iter().flat_map(|client| {
        let is_owned = |pool: &&PoolFigures| pool.owner == client.domain;
        client.pools.iter().filter(is_owned).map(move |pool| (client, pool))
    })
}

fn pool_labels(client: &ClientFigures, pool: &PoolFigures) -> String {
    let kind = match (pool.is_persistent, pool.is_shared) {
        (true, _) => "persistent",
        (false, true) => "shared",
        (false, false) => "ephemeral",
    };
    format!("domain=\"{}\",pool=\"{}\",kind=\"{kind}\"", client.domain, pool.id)
}

/// The histograms, if the host measures. Of clients and pools those with calls alone: a host may have
/// thousands of pools.
fn all_latencies(text: &mut String, snapshot: &Snapshot) {
    let Some(of_host) = &snapshot.host.latencies else { return };
    let (name, help) = ("call_duration_seconds", "How long guests' calls took, in tmem");
    head(text, name, "histogram", help);
    for latency in of_host {
        histogram(text, name, "", latency);
    }
    let (name, help) =
        ("client_call_duration_seconds", "How long the domain's calls took, in tmem");
    head(text, name, "histogram", help);
    for client in &snapshot.clients {
        let labels = format!("domain=\"{}\",", client.domain);
        for latency in with_calls(client.latencies.as_deref()) {
            histogram(text, name, &labels, latency);
        }
    }
    let (name, help) = ("pool_call_duration_seconds", "How long calls on the pool took, in tmem");
    head(text, name, "histogram", help);
    for (client, pool) in owned(snapshot) {
        let labels = pool_labels(client, pool) + ",";
        for latency in with_calls(pool.latencies.as_deref()) {
            histogram(text, name, &labels, latency);
        }
    }
}

fn with_calls(latencies: Option<&[Latency]>) -> impl Iterator<Item = &Latency> {
    let latencies = latencies.unwrap_or_default();
    latencies.iter().filter(|latency| latency.calls.iter().any(|&count| count > 0))
}

/// Bucket `n` of a record counts calls of less than 2^(n + 1) ns that are in none before; here each
/// counts all that are not longer.
fn histogram(text: &mut String, name: &str, labels: &str, Latency { operation, calls }: &Latency) {
    let labels = format!("{labels}operation=\"{operation}\"");
    let mut below = 0_u64;
    let (last, bounded) = calls.split_last().unwrap_or((&0, &[]));
    for (bucket, count) in bounded.iter().enumerate() {
        below = below.wrapping_add(*count);
        let nanoseconds = 1_u64.checked_shl(u32::try_from(bucket + 1).unwrap_or(u32::MAX));
        // Written out in full: 2^32 ns at most.
        let seconds = nanoseconds.unwrap_or(u64::MAX);
        let (whole, rest) = (seconds / 1_000_000_000, seconds % 1_000_000_000);
        let _ = writeln!(text, "tmem_{name}_bucket{{{labels},le=\"{whole}.{rest:09}\"}} {below}");
    }
    below = below.wrapping_add(*last);
    let _ = writeln!(
        text,
        "tmem_{name}_bucket{{{labels},le=\"+Inf\"}} {below}\n\
         tmem_{name}_count{{{labels}}} {below}"
    );
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP tmem_{name} {help}.\n# TYPE tmem_{name} {kind}");
}

/// Answers requests, one after the other; as many as `limit` says, or for ever.
///
/// # Errors
/// When no request can be taken any more. One that fails is only that one's trouble.
pub(crate) fn serve<H: Hypervisor>(
    listener: &TcpListener,
    host: &mut Host<H>,
    limit: Option<usize>,
) -> Result<(), Failure> {
    let mut nr_answered = 0;
    while limit.is_none_or(|limit| nr_answered < limit) {
        let (stream, _) = listener.accept()?;
        // Who hangs up early is not our concern.
        let _ = answer(stream, host);
        nr_answered += 1;
    }
    Ok(())
}

fn answer<H: Hypervisor>(mut stream: TcpStream, host: &mut Host<H>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = [0; REQUEST_BYTES_MAX];
    let mut len = 0;
    // To the end of its head: what is not read would reset the answer.
    while !request[..len].windows(4).any(|end| end == b"\r\n\r\n") && len < request.len() {
        match stream.read(&mut request[len..])? {
            0 => break,
            count => len += count,
        }
    }
    let line = request[..len].split(|&byte| byte == b'\r').next().unwrap_or_default();
    let is_for_us = [&b"GET /metrics "[..], b"GET / "].iter().any(|ours| line.starts_with(ours));
    let (status, body) = if !is_for_us {
        ("404 Not Found", "only /metrics\n".to_owned())
    } else {
        match Snapshot::read(host) {
            Ok(snapshot) => ("200 OK", text(&snapshot)),
            Err(failure) => ("503 Service Unavailable", format!("{failure}\n")),
        }
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}
