//! The table that is printed, row by row as it comes.

/// One line.
pub struct Row {
    pub what: String,
    pub measured: String,
    pub budget: String,
    /// Against the yardstick that the row names.
    pub ratio: Option<f64>,
    /// Absent: a figure without a budget.
    pub ok: Option<bool>,
}

impl Row {
    pub fn new(what: impl Into<String>, measured: impl Into<String>) -> Self {
        Self { what: what.into(), measured: measured.into(), budget: String::new(), ratio: None, ok: None }
    }

    pub fn budget(mut self, budget: impl Into<String>, ok: bool) -> Self {
        self.budget = budget.into();
        self.ok = Some(ok);
        self
    }

    pub fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = Some(ratio);
        self
    }
}

pub fn head() {
    print_line("what", "measured", "budget", "ratio", "");
    println!("{}", "-".repeat(142));
}

pub fn print(row: &Row) {
    let ratio = row.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
    let verdict = match row.ok {
        None => "",
        Some(true) => "ok",
        Some(false) => "short",
    };
    print_line(&row.what, &row.measured, &row.budget, &ratio, verdict);
}

fn print_line(what: &str, measured: &str, budget: &str, ratio: &str, verdict: &str) {
    println!("{what:<68} {measured:<32} {budget:<26} {ratio:>6}  {verdict}");
}
