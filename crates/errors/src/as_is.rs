/// Marks an answer whose body is meant as it is, in the extensions of the response: layers that make
/// problem documents of errors leave it alone.
///
/// ```
/// use gabion_errors::AsIs;
///
/// let mut page = http::Response::new("<h1>There is nothing here</h1>");
/// *page.status_mut() = http::StatusCode::NOT_FOUND;
/// page.extensions_mut().insert(AsIs);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsIs;
