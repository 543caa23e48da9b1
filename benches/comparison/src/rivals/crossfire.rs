//! crossfire in its blocking form.

use crate::endpoints::*;

channel!(crossfire::mpsc::bounded_blocking, send, recv);
