package scenario

import "assay/release"

// What Main and Stable are made of.
const (
	qcow2 release.ArtifactID = "qcow2/x86_64"
	arm   release.ArtifactID = "qcow2/aarch64"
)

// Weeks is the story. Dates of Main are Tuesdays of even weeks at 14:00; a bug is
// opened after two bad nights and closed after two good ones.
var Weeks = []Day{
	// Week 1 (12 October): the composer has trouble, and nothing is out yet.
	{Is: "1 Mon", Night: good, Because: "the first release date is 2026-10-20"},
	{Is: "1 Tue", Night: good},
	{Is: "1 Wed", Night: doomed("the kernel does not build"), Bugs: "no-image opened"},
	{Is: "1 Thu", Night: doomed("the kernel does not build"), Bugs: "no-image commented"},
	{Is: "1 Fri", Night: good, Bugs: "no-image closed"},
	{Is: "1 Sat", Night: missing, Bugs: "no-image reopened"},
	{Is: "1 Sun", Night: good, Bugs: "no-image closed"},

	// Week 2: the first release; a check that flaps opens no bug.
	{Is: "2 Mon", Night: infra("base/running", "the emulator died")},
	{Is: "2 Tue", Night: good, Main: "20261020_01", Mails: "20261020_01 is released", Because: "the newest build that passed since the beginning"},
	{Is: "2 Wed", Night: fails("upgrade/rollback", "the old deployment is gone", qcow2)},
	{Is: "2 Thu", Night: good},
	{Is: "2 Fri", Night: fails("upgrade/rollback", "the old deployment is gone", qcow2)},
	{Is: "2 Sat", Night: good},
	{Is: "2 Sun", Night: good}, // summer time ends

	// Week 3: a real regression, from its first night to its end.
	{Is: "3 Mon", Night: fails("storage/overlay", "overlay is not mounted", qcow2)},
	{Is: "3 Tue", Night: fails("storage/overlay", "overlay is not mounted", qcow2), Bugs: "check:storage/overlay opened", Because: "release date 2026-10-20 has had its release"},
	{Is: "3 Wed", Night: fails("storage/overlay", "overlay is not mounted", qcow2)}, // the same, every night: no word about it
	{Is: "3 Thu", Night: fails("storage/overlay", "the file system has no d_type", qcow2, arm), Bugs: "check:storage/overlay commented"},
	{Is: "3 Fri", Night: good},
	{Is: "3 Sat", Night: good, Bugs: "check:storage/overlay closed"},
	{Is: "3 Sun", Night: advisory("boot/time", "booting took 94 s")},

	// Week 4: the newest build is marked bad, the one before passes by a waiver.
	// Stable follows for the first time.
	{Is: "4 Mon", Night: fails("containers/run", "the registry of the test host did not answer", arm)},
	{Is: "4 Tue", Night: good, Says: []Word{
		says("09:00", "carol", &release.BuildMarked{Build: "20261103_01", Mark: release.MarkBad, Word: reason("it eats home directories", 71)}),
		waives("09:30", "carol", "w-1", "20261102_01", "containers/run", arm, "it was the test host").refused("does not let carol waive"),
		waives("10:00", "alice", "w-1", "20261102_01", "containers/run", arm, "it was the test host"),
	}, Main: "20261102_01", Mails: "20261102_01 is released"},
	{Is: "4 Wed", Night: good, Signed: good, Stable: "20261104_01", Mails: "20261104_01 is released"},
	{Is: "4 Thu", Night: good},
	{Is: "4 Fri", Night: good},
	{Is: "4 Sat", Night: good},
	{Is: "4 Sun", Night: good.but("delivered twice", func(n *Night) { n.Twice = true })},

	// Week 5: a security fix goes out between two dates; then the tracker is down.
	{Is: "5 Mon", Night: good},
	{Is: "5 Tue", Night: good},
	{Is: "5 Wed", Night: good.but("good, with the fix", func(*Night) {}), Says: []Word{
		asks("11:00", "carol", "r-1", "20261111_01", "CVE-2026-4711").refused("does not let carol promote"),
		asks("11:30", "alice", "r-1", "20261111_01", "CVE-2026-4711"),
	}, Main: "20261111_01", Mails: "20261111_01 is released", Because: "asked for by alice: CVE-2026-4711"},
	{Is: "5 Thu", Night: fails("cloudinit/ssh-key", "no key was installed"), Outside: Outside{TrackerDown: true}},
	{Is: "5 Fri", Night: fails("cloudinit/ssh-key", "no key was installed")},
	{Is: "5 Sat", Night: fails("cloudinit/ssh-key", "no key was installed"), Outside: Outside{TrackerUp: true}, Bugs: "check:cloudinit/ssh-key opened"},
	{Is: "5 Sun", Night: fails("cloudinit/ssh-key", "no key was installed")},

	// Week 6: nothing passes at the date; what passes two days later is released,
	// and revoked the day after.
	{Is: "6 Mon", Night: fails("cloudinit/ssh-key", "no key was installed")},
	{Is: "6 Tue", Night: fails("cloudinit/ssh-key", "no key was installed"), Warns: "This image is stale.", Because: "no build since 20261111_01 passed"},
	{Is: "6 Wed", Night: fails("cloudinit/ssh-key", "no key was installed")},
	{Is: "6 Thu", Night: good, Main: "20261119_01", Mails: "20261119_01 is released", Warns: "-"},
	{Is: "6 Fri", Night: good, Says: []Word{
		says("10:00", "alice", &release.ReleaseRevoked{Build: "20261119_01", Word: reason("it does not boot on UEFI", 72)}),
		asks("10:30", "alice", "r-2", "20261119_01", "it was not so bad").refused("was revoked"),
	}, Main: "20261111_01", Mails: "20261119_01 is revoked, do not use it", Bugs: "check:cloudinit/ssh-key closed, revoked:20261119_01 opened", Warns: "20261119_01 was revoked. Do not use it."},
	{Is: "6 Sat", Night: good, Because: "release date 2026-11-17 has had its release, 20261119_01, which was revoked"},
	{Is: "6 Sun", Night: good},

	// Week 7: the maintainer will not fix it, and hears no more of it.
	{Is: "7 Mon", Night: fails("network/dns", "search domains are ignored", qcow2)},
	{Is: "7 Tue", Night: fails("network/dns", "search domains are ignored", qcow2), Bugs: "check:network/dns opened"},
	{Is: "7 Wed", Night: fails("network/dns", "resolution times out", qcow2, arm), Outside: Outside{WontFix: "check:network/dns"}, Bugs: "check:network/dns closed by its maintainer"},
	{Is: "7 Thu", Night: fails("network/dns", "resolution times out", qcow2, arm)},
	{Is: "7 Fri", Night: good},
	{Is: "7 Sat", Night: good},
	{Is: "7 Sun", Night: good},

	// Week 8: a block outlasts the date, and two builds are not what they seem, so
	// an older one is released then. Stable's rebuild of it fails, is asked for again,
	// and does not pass.
	{Is: "8 Mon", Night: good, Says: []Word{says("09:00", "alice", &release.StreamBlocked{Word: reason("the mirrors move", 73)})}, Warns: "20261119_01 was revoked. Do not use it.; Releases are stopped."},
	{Is: "8 Tue", Night: good.but("other bytes were tested", func(n *Night) { n.Mirrored = true }), Warns: "20261119_01 was revoked. Do not use it.; This image is stale.; Releases are stopped.", Because: "the stream is blocked by alice"},
	{Is: "8 Wed", Night: good.but("announced twice, with other digests", func(n *Night) { n.Contradicts = true }), Says: []Word{says("11:00", "alice", &release.StreamUnblocked{Word: reason("they have moved", 73)})},
		Main: "20261130_01", Mails: "20261130_01 is released", Warns: "-"},
	{Is: "8 Thu", Night: good, Signed: doomed("the signing host has no room"), Because: "rebuild 1 of atomic-43 20261130_01 failed: the signing host has no room; a person may ask for another"},
	{Is: "8 Fri", Night: good, Says: []Word{
		says("09:00", "alice", &release.RebuildRequested{Slot: "atomic-43#4", From: release.BuildRef{Stream: Main, Build: "20261130_01"}, Number: 2, Word: reason("it has room again", 74)}).of(Stable),
	}, Because: "rebuild 2 of atomic-43 20261130_01 has not come back"},
	{Is: "8 Sat", Night: good, Signed: fails("base/selinux", "3 files have no label", qcow2)},
	{Is: "8 Sun", Night: good},

	// Week 9: a person releases it all the same. Then the service goes to sleep.
	{Is: "9 Mon", Night: good, Says: []Word{
		waives("10:00", "alice", "w-1", "20261205_01", "base/selinux", "", "they are empty files").of(Stable),
	}, Stable: "20261205_01", Mails: "20261205_01 is released"},
	{Is: "9 Tue", Night: good, Because: "release date 2026-12-01 has had its release"},
	{Is: "9 Wed", Night: missing, Bugs: "no-image reopened"},
	{Is: "9 Thu", Night: good, Bugs: "no-image closed"},
	{Is: "9 Fri", Night: good},
	{Is: "9 Sat", Night: good},
	{Is: "9 Sun", Night: good},

	// Week 10: it sleeps through its date, and releases once when it is back: what
	// has passed by then. What failed before fails again: its bug is reopened.
	{Is: "10 Mon", Night: good, Asleep: true},
	{Is: "10 Tue", Night: good, Asleep: true},
	{Is: "10 Wed", Night: fails("storage/overlay", "overlay is not mounted", qcow2), Asleep: true},
	{Is: "10 Thu", Night: fails("storage/overlay", "overlay is not mounted", qcow2), Main: "20261213_01", Mails: "20261213_01 is released", Bugs: "check:storage/overlay reopened"},
	{Is: "10 Fri", Night: good},
	{Is: "10 Sat", Night: good, Bugs: "check:storage/overlay closed"},
	{Is: "10 Sun", Night: good, Because: "release date 2026-12-15 has had its release, 20261213_01; the next is 2026-12-29"},
}

// Total is what the world has got of the ten weeks in the end.
var Total = Counts{Releases: 8, Revocations: 1, Mails: 9, Bugs: 5, Comments: 11, Results: 264}
