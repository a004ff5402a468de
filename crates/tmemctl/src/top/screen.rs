//! The real terminal, its keys, and the clock.

use super::state::{Flow, Key, Top};
use crate::failure::Failure;
use crate::figures::Snapshot;
use crate::host::Host;
use crate::hypervisor::Hypervisor;
use crate::interrupt;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use std::time::{Duration, Instant};

/// How long to wait for a key at most before asking whether a signal wants the end.
const PATIENCE: Duration = Duration::from_millis(200);

/// Shows the figures until the person has had enough.
///
/// # Errors
/// When the figures can't be read at the beginning, or the terminal fails.
pub(crate) fn run<H: Hypervisor>(host: &mut Host<H>, interval: Duration) -> Result<(), Failure> {
    let mut top = Top::new(interval);
    let start = Instant::now();
    let snapshot = Snapshot::read(host)?;
    top.observe(start.elapsed().max(Duration::from_nanos(1)), snapshot);
    let mut terminal = ratatui::try_init()?;
    let shown = show(&mut terminal, &mut top, host, start);
    ratatui::try_restore()?;
    shown
}

fn show<H: Hypervisor>(
    terminal: &mut DefaultTerminal,
    top: &mut Top,
    host: &mut Host<H>,
    start: Instant,
) -> Result<(), Failure> {
    let mut looked = Instant::now();
    terminal.draw(|frame| top.draw(frame))?;
    loop {
        interrupt::check()?;
        let left = top.wait().map(|wait| wait.saturating_sub(looked.elapsed()));
        if event::poll(left.map_or(PATIENCE, |left| left.min(PATIENCE)))? {
            if let Some(key) = key(&event::read()?)
                && top.key(key) == Flow::Quit
            {
                return Ok(());
            }
        } else if left.is_some_and(|left| left.is_zero()) {
            looked = Instant::now();
            match Snapshot::read(host) {
                Ok(snapshot) => top.observe(start.elapsed(), snapshot),
                Err(failure) => top.complain(failure.to_string()),
            }
        } else {
            continue;
        }
        terminal.draw(|frame| top.draw(frame))?;
    }
}

fn key(event: &Event) -> Option<Key> {
    let Event::Key(key) = event else { return None };
    if key.kind == KeyEventKind::Release {
        return None;
    }
    Some(match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Key::Escape,
        KeyCode::Char(letter) => Key::Char(letter),
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Esc => Key::Escape,
        _ => return None,
    })
}
