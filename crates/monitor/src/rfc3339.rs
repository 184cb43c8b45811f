use gabion_clock::UnixTime;
use serde::Serializer;

/// For `#[serde(serialize_with = …)]` on a time.
pub(crate) fn serialize<S: Serializer>(time: &UnixTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}
