//! Painting it.

use super::rows::{Column, Row};
use super::state::Top;
use crate::units::bytes;
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Cell, Paragraph, Row as Painted, Table};

/// The keys, at the foot.
const KEYS: &str =
    "q quit  p pools/clients  <- -> sort by  r reverse  space hold  + - interval  up down scroll";

impl Top {
    /// Paints everything.
    pub fn draw(&self, frame: &mut Frame<'_>) {
        let [head, body, foot] =
            Layout::vertical([Constraint::Length(4), Constraint::Min(1), Constraint::Length(1)])
                .areas(frame.area());
        frame.render_widget(Paragraph::new(self.head()), head);
        frame.render_widget(self.table(), body);
        let keys = Paragraph::new(KEYS).style(Style::new().add_modifier(Modifier::REVERSED));
        frame.render_widget(keys, foot);
    }

    fn head(&self) -> Text<'static> {
        let host = &self.now.host;
        let whole = self.host();
        let rate = |column| whole.cell(column, self.seconds());
        let first = format!(
            "tmem: {} clients, {} pools; {} stored in {}, {} can be freed; {} metadata",
            host.clients,
            host.pools,
            bytes(host.counters.stored_bytes),
            bytes(host.counters.taken_bytes),
            bytes(u64::from(host.freeable_mib) << 20),
            bytes(host.counters.metadata_bytes()),
        );
        let second = format!(
            "each second: {} puts, {} refused, {} gets, {} evicted; hits {}% of the gets",
            rate(Column::Puts),
            rate(Column::Refused),
            rate(Column::Gets),
            rate(Column::Evicted),
            rate(Column::Hits),
        );
        let third = match (&self.trouble, self.is_held) {
            (Some(trouble), _) => trouble.clone(),
            (None, true) => "held".to_owned(),
            (None, false) => format!("every {} s", self.interval.as_secs()),
        };
        Text::from_iter([first, second, third].map(Line::from))
    }

    fn table(&self) -> Table<'static> {
        let heads = Column::ALL.map(|column| {
            let is_sorted = column == self.sort;
            let mark = match (is_sorted, self.is_descending) {
                (false, _) => "",
                (true, true) => "v",
                (true, false) => "^",
            };
            let style = if is_sorted { Modifier::BOLD } else { Modifier::UNDERLINED };
            cell(column, format!("{}{mark}", column.head())).style(Style::new().add_modifier(style))
        });
        let row = |row: &Row| {
            Painted::new(Column::ALL.map(|column| cell(column, row.cell(column, self.seconds()))))
        };
        let rows: Vec<Painted<'_>> = self.rows().iter().skip(self.first_row).map(row).collect();
        let widths = Column::ALL.map(|column| Constraint::Length(column.width()));
        Table::new(rows, widths).header(Painted::new(heads)).column_spacing(1)
    }
}

/// Words to the left, numbers to the right.
fn cell(column: Column, text: String) -> Cell<'static> {
    let side = if column.is_text() { Alignment::Left } else { Alignment::Right };
    Cell::from(Line::from(text).alignment(side))
}
