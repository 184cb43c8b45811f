//! Where the control group of this process lies in the file system.

use std::path::{Component, Path, PathBuf};

/// The group that holds this process for one controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) version: Version,
    /// The process's own group.
    leaf: PathBuf,
    /// The outermost group that can be seen; a limit of any group between holds too.
    top: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

impl Group {
    /// From `/proc/self/cgroup` and `/proc/self/mountinfo`, for files below `root`.
    ///
    /// A host may have both versions mounted; version 1 has the controller if it lists it.
    pub(super) fn find(
        controller: &str,
        cgroup: &str,
        mountinfo: &str,
        root: &Path,
    ) -> Option<Self> {
        let first = find_first(controller, cgroup, mountinfo).map(|found| (Version::One, found));
        let (version, (path, mount)) =
            first.or_else(|| Some((Version::Two, find_second(cgroup, mountinfo)?)))?;
        let top = root.join(mount.point.trim_start_matches('/'));
        Some(Self { version, leaf: top.join(inside(path, mount.root)), top })
    }

    /// The file `name` of the process's own group.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.leaf.join(name)
    }

    /// The group itself and those around it, innermost first.
    pub(super) fn and_around(&self) -> impl Iterator<Item = &Path> {
        self.leaf.ancestors().take_while(|path| path.starts_with(&self.top))
    }
}

struct Mount<'a> {
    root: &'a str,
    point: &'a str,
}

fn find_first<'a>(
    controller: &str,
    cgroup: &'a str,
    mountinfo: &'a str,
) -> Option<(&'a str, Mount<'a>)> {
    let path = cgroup.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let named = fields.next()?.split(',').any(|name| name == controller);
        fields.next().filter(|_| named)
    })?;
    let mount = mounts(mountinfo).find(|(kind, options, _)| {
        *kind == "cgroup" && options.split(',').any(|option| option == controller)
    })?;
    Some((path, mount.2))
}

fn find_second<'a>(cgroup: &'a str, mountinfo: &'a str) -> Option<(&'a str, Mount<'a>)> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mount = mounts(mountinfo).find(|(kind, ..)| *kind == "cgroup2")?;
    Some((path, mount.2))
}

/// File system type, its options, and what is mounted where (proc(5), `mountinfo`).
fn mounts(mountinfo: &str) -> impl Iterator<Item = (&str, &str, Mount<'_>)> {
    mountinfo.lines().filter_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let mut system = system.split(' ');
        let (kind, options) = (system.next()?, system.nth(1)?);
        Some((kind, options, Mount { root, point }))
    })
}

/// The part of `path` below what is mounted. A path from another namespace than the mount's says
/// nothing about it; what is mounted is then the best that is known.
fn inside<'a>(path: &'a str, mounted: &str) -> &'a Path {
    let below = path.strip_prefix(mounted.trim_end_matches('/')).unwrap_or_default();
    let below = Path::new(below.strip_prefix('/').unwrap_or_default());
    let plain = below.components().all(|part| matches!(part, Component::Normal(_)));
    if plain { below } else { Path::new("") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TWO: &str = "22 1 0:21 / /proc rw - proc proc rw\n\
                       35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

    fn find(controller: &str, cgroup: &str, mountinfo: &str) -> Option<Group> {
        Group::find(controller, cgroup, mountinfo, Path::new("/r"))
    }

    #[test]
    fn version_two_has_one_path_for_all() {
        let group = find("cpu", "0::/app.slice/gabion\n", TWO).unwrap();
        assert_eq!(group.version, Version::Two);
        let around: Vec<_> = group.and_around().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(
            around,
            ["/r/sys/fs/cgroup/app.slice/gabion", "/r/sys/fs/cgroup/app.slice", "/r/sys/fs/cgroup"]
        );
    }

    #[test]
    fn a_controller_of_version_one_is_found_by_its_name() {
        let cgroup = "4:memory:/job/9f\n2:cpu,cpuacct:/job/7a\n0::/\n";
        let mountinfo = "34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
                         32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                         41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let group = find("cpu", cgroup, mountinfo).unwrap();
        assert_eq!(group.version, Version::One);
        let file = group.file("cpu.stat");
        assert_eq!(file, Path::new("/r/sys/fs/cgroup/cpu,cpuacct/job/7a/cpu.stat"));
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_mount() {
        let mountinfo = "32 31 0:29 /docker/7a /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n";
        let group = find("cpu", "2:cpu:/docker/7a\n", mountinfo).unwrap();
        assert_eq!(group.file("x"), Path::new("/r/sys/fs/cgroup/cpu/x"));
    }

    #[test]
    fn a_path_out_of_the_namespace_falls_back_to_the_mount() {
        let group = find("cpu", "0::/../../other\n", TWO).unwrap();
        assert_eq!(group.file("x"), Path::new("/r/sys/fs/cgroup/x"));
    }

    #[test]
    fn a_name_that_only_begins_like_the_mount_is_not_below_it() {
        assert_eq!(inside("/docker/7ab/c", "/docker/7a"), Path::new(""));
    }

    #[test]
    fn without_a_mount_there_is_no_group() {
        assert_eq!(find("cpu", "0::/\n", ""), None);
    }

    proptest! {
        #[test]
        fn a_group_never_lies_outside_the_root(path in "[/.a-c]{0,20}", mounted in "[/.a-c]{0,9}") {
            let mountinfo = format!("1 1 0:1 {mounted} /cg rw - cgroup2 cgroup2 rw");
            if let Some(group) = find("cpu", &format!("0::{path}"), &mountinfo) {
                prop_assert!(group.file("x").starts_with("/r/cg"));
                prop_assert!(group.file("x").components().all(|part| part != Component::ParentDir));
            }
        }

        #[test]
        fn any_text_is_answered(cgroup in "[ -~\n]{0,100}", mountinfo in "[ -~\n]{0,100}") {
            let _ = find("cpu", &cgroup, &mountinfo);
        }
    }
}
