//! All figures in Prometheus' text format, printed or answered on a port.

use crate::failure::Failure;
use crate::figures::{Counters, Latency, Snapshot};
use crate::host::Host;
use crate::hypervisor::Hypervisor;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// How long a request may take to come.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a request that are read; what it asks for does not matter beyond its first line.
const REQUEST_BYTES_MAX: usize = 4096;

/// What is told of a host, a client and a pool alike: name, kind, help.
type Metric = (&'static str, &'static str, &'static str, fn(&Counters) -> u64);

const METRICS: [Metric; 19] = [
    ("ephemeral_pages", "gauge", "Pages of 4 KiB that may be evicted", |of| of.ephemeral_pages),
    ("persistent_pages", "gauge", "Pages of 4 KiB that stay until flushed", |of| {
        of.persistent_pages
    }),
    ("unreachable_pages", "gauge", "Pages of 4 KiB that wait to be freed", |of| {
        of.unreachable_pages
    }),
    ("stored_bytes", "gauge", "Bytes that guests have put and can get", |of| of.stored_bytes),
    ("taken_bytes", "gauge", "Bytes of the frames that hold them", |of| of.taken_bytes),
    ("metadata_bytes", "gauge", "Bytes of metadata for pages and objects", |of| of.metadata_bytes),
    ("puts_stored_total", "counter", "Puts that added a page", |of| of.puts_stored),
    ("puts_replaced_total", "counter", "Puts that replaced a page", |of| of.puts_replaced),
    ("puts_no_memory_total", "counter", "Puts refused for want of memory or room", |of| {
        of.puts_no_memory
    }),
    ("puts_no_space_total", "counter", "Replacing puts that found no frame", |of| of.puts_no_space),
    ("puts_frozen_total", "counter", "Puts refused as the client is frozen", |of| of.puts_frozen),
    ("puts_bad_frame_total", "counter", "Puts of frames that can't be read", |of| {
        of.puts_bad_frame
    }),
    ("gets_total", "counter", "Gets in pools with pages", |of| of.gets),
    ("hits_total", "counter", "Gets that found a page", |of| of.hits),
    ("misses_total", "counter", "Gets that found none", |of| of.misses),
    ("flushes_total", "counter", "Flushes of a page or an object", |of| of.flushes),
    ("removed_total", "counter", "Pages that are gone, for whatever reason", |of| of.removed),
    ("evictions_suffered_total", "counter", "Pages that were evicted", |of| of.evictions_suffered),
    ("evictions_caused_total", "counter", "Pages that were evicted for its puts", |of| {
        of.evictions_caused
    }),
];

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
    for (name, kind, help, value) in METRICS {
        let name = format!("host_{name}");
        head(&mut text, &name, kind, help);
        let _ = writeln!(text, "tmem_{name} {}", value(&host.counters));
    }
    clients(&mut text, snapshot);
    pools(&mut text, snapshot);
    latencies(&mut text, host.latencies.as_deref().unwrap_or_default());
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
    for (name, kind, help, value) in METRICS {
        head(text, &format!("client_{name}"), kind, help);
        for client in clients {
            let (domain, value) = (client.domain, value(&client.counters));
            let _ = writeln!(text, "tmem_client_{name}{{domain=\"{domain}\"}} {value}");
        }
    }
}

/// A shared pool is told once, with its owner, so that sums are right.
fn pools(text: &mut String, snapshot: &Snapshot) {
    for (name, kind, help, value) in METRICS {
        head(text, &format!("pool_{name}"), kind, help);
        for client in &snapshot.clients {
            for pool in client.pools.iter().filter(|pool| pool.owner == client.domain) {
                let kind = match (pool.is_persistent, pool.is_shared) {
                    (true, _) => "persistent",
                    (false, true) => "shared",
                    (false, false) => "ephemeral",
                };
                let (domain, id, value) = (client.domain, pool.id, value(&pool.counters));
                let _ = writeln!(
                    text,
                    "tmem_pool_{name}{{domain=\"{domain}\",pool=\"{id}\",kind=\"{kind}\"}} {value}"
                );
            }
        }
    }
}

/// Bucket `n` of a record counts calls of less than 2^(n + 1) ns that are in none before; here each
/// counts all that are not longer.
fn latencies(text: &mut String, latencies: &[Latency]) {
    if latencies.is_empty() {
        return;
    }
    head(text, "call_duration_seconds", "histogram", "How long guests' calls took, in tmem");
    for Latency { operation, calls } in latencies {
        let mut below = 0_u64;
        let (last, bounded) = calls.split_last().unwrap_or((&0, &[]));
        for (bucket, count) in bounded.iter().enumerate() {
            below = below.wrapping_add(*count);
            let nanoseconds = 1_u64.checked_shl(u32::try_from(bucket + 1).unwrap_or(u32::MAX));
            // Written out in full: 2^32 ns at most.
            let seconds = nanoseconds.unwrap_or(u64::MAX);
            let (whole, rest) = (seconds / 1_000_000_000, seconds % 1_000_000_000);
            let _ = writeln!(
                text,
                "tmem_call_duration_seconds_bucket{{operation=\"{operation}\",\
                 le=\"{whole}.{rest:09}\"}} {below}"
            );
        }
        below = below.wrapping_add(*last);
        let _ = writeln!(
            text,
            "tmem_call_duration_seconds_bucket{{operation=\"{operation}\",le=\"+Inf\"}} {below}\n\
             tmem_call_duration_seconds_count{{operation=\"{operation}\"}} {below}"
        );
    }
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
