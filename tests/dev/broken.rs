//! What can be missing or wrong, and what `nslearn dev check` says of it.

pub const PAGE: &str = "book/src/lessons/uts.md";
pub const JSON: &str = "tests/snapshots/uts.json.snap";
pub const FACTS: &str = "tests/facts.txt";
pub const TEACHERS: &str = "book/src/teachers.md";

/// What somebody does to the tree (the file, what it says, and what it says instead), and what the check must say to that.
pub const BROKEN: &[(&str, &str, &str, &str)] = &[
    // The list of facts.
    (FACTS, "uts-copied", "#", "tests/facts.txt: add `uts-copied  uts`"),
    (FACTS, "uts-copied                uts", "uts-copied", "tests/facts.txt: uts-copied: write uts behind it"),
    (FACTS, "uts-copied                uts", "uts-copied pid", "tests/facts.txt: uts-copied: it is pid's"),
    (FACTS, "uts-copied ", "uts-new uts\nuts-copied ", "lessons/uts/steps.rs: add the fact uts-new"),
    (FACTS, "uts-copied ", "uts-copied uts\nuts-copied ", "uts-copied is there twice"),
    (FACTS, "uts-copied ", "Uts_Copied uts\nuts-copied ", "Uts_Copied is not kebab-case"),
    (FACTS, "uts-copied ", "a-fact nowhere\nuts-copied ", "tests/facts.txt: it gives facts to nowhere"),
    (FACTS, "uts-copied ", "a-fact uts and more\nuts-copied ", "more than `FACT LESSON ✎`"),
    (FACTS, "uts-copied                uts", "uts-copied uts ✎", "book/src/older-texts.md: tell of `uts-copied`"),
    // What was told.
    (JSON, "\"title\":\"UTS namespaces\"", "\"title\":\"Names\"", "uts.json.snap: the card is another"),
    (
        JSON,
        "\"title\":\"The tenant sets its hostname\"",
        "\"title\":\"Two\"",
        "uts.json.snap: step 3 is not 'The tenant sets its hostname'",
    ),
    (JSON, "{\"event\":\"step\",\"number\":3", "{\"event\":\"stop\",\"number\":3", "uts.json.snap: 5 steps, of 6"),
    (JSON, "\"held\":true", "\"held\":false", "uts.json.snap: step 2: uts-copied did not hold"),
    (JSON, "\"id\":\"uts-copied\"", "\"id\":\"uts-other\"", "uts.json.snap: step 2 shows uts-copied 0 times"),
    (JSON, "\"id\":\"uts-copied\"", "\"id\":\"uts-other\"", "shows uts-other, which the step does not declare"),
    (
        JSON,
        "{\"event\":\"asked\",\"id\":\"uts-new-name\"",
        "{\"event\":\"x\",\"id\":\"\"",
        "step 2 asks something else",
    ),
    (
        JSON,
        "{\"event\":\"said\",\"text\":\"The tenant leaves",
        "{\"event\":\"x\",\"text\":\"The tenant leaves",
        "0 of the 2 sentences that must set it up are said before it",
    ),
    (JSON, "\"localhost\"", "\"local\"", "step 2, question uts-new-name has other words"),
    (JSON, "\"event\":\"answered\"", "\"event\":\"x\"", "question uts-new-name: it must be answered once"),
    (
        JSON,
        "\"id\":\"uts-new-name\",\"number\":3",
        "\"id\":\"uts-new-name\",\"number\":null",
        "not exactly one choice came true",
    ),
    (JSON, "\"command\":\"hostname &&", "\"command\":\"host &&", "step 1 has other commands by hand"),
    (JSON, "{\"event\":\"step\"", "{\"event\":", "tests/snapshots/uts.json.snap: not a JSON object a line"),
    ("tests/snapshots/uts.plain.snap", "ANCHOR: step-3", "ANCHOR: step-x", "uts.plain.snap: step 3 is not in it"),
    (
        "tests/snapshots/uts.plain.snap",
        "ANCHOR: step-3",
        "ANCHOR: step-x",
        "uts.plain.snap:step-3, where there is nothing",
    ),
    ("tests/snapshots/uts.by-hand.snap", "ANCHOR: step-3", "ANCHOR: step-x", "uts.by-hand.snap: step 3 is not in it"),
    // The page.
    (
        PAGE,
        " ([differences between distributions](../by-hand.md))",
        "",
        "step 1: begin the commands with **By hand** ([differences",
    ),
    (
        PAGE,
        "# UTS namespaces: one",
        "# UTS: one",
        "add, at its head, the line `# UTS namespaces: one machine, two names`",
    ),
    (PAGE, "> Can one", "> Could one", "uts.md: add, at its head, the line `> Can one kernel"),
    (PAGE, "about 12 minutes", "about 9 minutes", "uts.md: say at its head: It takes about 12 minutes"),
    (
        PAGE,
        "## Step 2: The tenant moves out",
        "## Step 2: The tenant",
        "uts.md: add the heading `## Step 2: The tenant moves out`",
    ),
    (
        PAGE,
        "## Step 2: The tenant moves out",
        "## Step 2: The tenant",
        "the lesson has no such step: `## Step 2: The tenant`",
    ),
    (PAGE, "**Why.**", "Why:", "uts.md: step 1: add **Why.**"),
    (PAGE, "**In the kernel.**", "In it:", "uts.md: step 1: add **In the kernel.**"),
    (PAGE, "**System calls:**", "Calls:", "uts.md: step 1: add **System calls:**"),
    (PAGE, "**What to look at.**", "Look:", "uts.md: step 1: add **What to look at.**"),
    (PAGE, "**By hand**", "By hand", "uts.md: step 1: add **By hand**"),
    (
        PAGE,
        "uts.plain.snap:step-4",
        "uts.plain.snap:step-3",
        "step 4: add {{#include ../../../tests/snapshots/uts.plain.snap:step-4}}",
    ),
    (PAGE, "uts.by-hand.snap:step-4", "uts.by-hand.snap:step-9", "uts.by-hand.snap:step-9, where there is nothing"),
    (
        PAGE,
        "**System calls:** [`setdomainname(2)`], [`getdomainname(2)`], [`uname(2)`].\n\n**What to look at.**",
        "**What to look at.** **System calls:**",
        "step 4: not in its place among the parts: **What to look at.**",
    ),
    (PAGE, "uts.svg.snap:step-2", "uts.svg.snap:step-1", "uts.md: step 2: add its picture"),
    (
        PAGE,
        "**What to look at.** The mark",
        "{{#include ../../../tests/snapshots/uts.svg.snap:step-3}} **What to look at.** The mark",
        "step 3: remove {{#include",
    ),
    (
        PAGE,
        "## Common mistakes",
        "See `ns-same-inode`.\n\n## Common mistakes",
        "it names `ns-same-inode`, which the lesson does not show",
    ),
    (PAGE, "| `uts-copied` | step 2 |", "| `uts-copied` | step 3 |", "add the row `| `uts-copied` | step 2 | … |`"),
    (
        PAGE,
        "| `uts-not-kernel` | step 4 | the kernel's release is not |",
        "| `uts-not-kernel` | step 4 |  |",
        "say what was shown of uts-not-kernel",
    ),
    (PAGE, "## What you will understand", "## What", "uts.md: add the heading `## What you will understand`"),
    (PAGE, "## Common mistakes", "## Common mistakes\n\n## Others", "nothing stands under `## Common mistakes`"),
    (PAGE, "\n## What comes next", "\n## Next", "uts.md: add the heading `## What comes next`"),
    (PAGE, "<summary>Hint</summary>", "", "exercise '1. A name inside of a name': add <summary>Hint</summary>"),
    (PAGE, "<summary>Answer</summary>", "", "exercise '1. A name inside of a name': add <summary>Answer</summary>"),
    (PAGE, "```sh\nunshare", "```bash\nunshare", "exercise '1. A name inside of a name': add a block of commands"),
    (PAGE, "**How to check your work.**", "", "inside of a name': add **How to check your work.**"),
    (PAGE, "### 1. A", "### 0. A\n\n### 0. B\n\n### 1. A", "uts.md: 6 exercises"),
    (PAGE, "```text\ninner", "```text,program\ninner", "a block of `text,program` includes a snapshot"),
    (PAGE, "```text,by-hand", "```text", "mark the block that includes output"),
    (PAGE, "## What comes next", "```\n## What comes next", "the block of code is not closed"),
    (PAGE, "A name was two strings.", "TODO", "is still to be written: TODO"),
    (PAGE, "uts.plain.snap:step-6", "no.snap:step-6", "it includes tests/snapshots/no.snap, which cannot be read"),
    (PAGE, "uts.svg.snap:step-6", "uts.svg.snap:step-9", "uts.svg.snap:step-9, where there is nothing"),
    (PAGE, "uts.by-hand.snap:step-6}}", "uts.by-hand.snap:step-6}}\nmore", "has no words of its own"),
    // The lists.
    ("book/src/SUMMARY.md", "(glossary.md)", "(glossary)", "book/src/SUMMARY.md: add the page glossary.md"),
    (
        "book/src/SUMMARY.md",
        "- [UTS namespaces: one",
        "- [UTS: one",
        "SUMMARY.md: add the line `- [UTS namespaces: one machine",
    ),
    (
        "README.md",
        "| `uts` | UTS",
        "| `uts` | The UTS",
        "README.md: add to the table of lessons `| `uts` | UTS namespaces",
    ),
    (
        "README.md",
        "|---|---|--:|\n| `",
        "|---|---|--:|\n| `old` | an old one | 1 |\n| `",
        "the table of lessons has other rows",
    ),
    ("README.md", "<!-- lessons -->", "", "README.md: put the table of lessons between the lines"),
    ("README.md", "1/6 ── Two processes", "1/6 ── A name", "README.md: the transcript is not its lesson's snapshot"),
    ("README.md", "<!-- /transcript -->", "", "README.md: put a lesson's transcript between the lines"),
    (
        TEACHERS,
        "### Before the steps of uts",
        "### Before uts",
        "teachers.md: add the heading `### Before the steps of uts`",
    ),
    (TEACHERS, "| 12 | Lesson `uts`", "| 9 | Lesson `uts`", "teachers.md: a plan has 9 minutes for uts, which takes"),
    (
        TEACHERS,
        "**Before step 6, the lesson asks whether root",
        "**Before step 6: root",
        "add `**Before step 6, the lesson asks …**`",
    ),
    (
        TEACHERS,
        "**Before step 4, you may ask: \"The names",
        "**Before step 4, the lesson asks: \"The names",
        "asks nothing before step 4",
    ),
    ("book/src/older-texts.md", "`ns-ten-links`", "ns-ten-links", "older-texts.md: tell of `ns-ten-links`"),
    // The lessons' folder.
    ("lessons/uts/mod.rs", "//! UTS", "//! TODO", "lessons/uts/mod.rs: line 1 is still to be written"),
];

/// Files that somebody removes, and what the check must say to that.
pub const REMOVED: &[(&str, &str)] = &[
    (
        "tests/snapshots/uts.plain.snap",
        "tests/snapshots/uts.plain.snap: add it: `INSTA_UPDATE=always cargo test snapshots`",
    ),
    ("tests/snapshots/uts.json.snap", "tests/snapshots/uts.json.snap: add it"),
    ("tests/snapshots/uts.svg.snap", "tests/snapshots/uts.svg.snap: add it"),
    ("tests/snapshots/uts.by-hand.snap", "uts.by-hand.snap: add it: `INSTA_UPDATE=always cargo test by_hand`"),
    ("book/src/lessons/uts.md", "book/src/lessons/uts.md: add it"),
    ("lessons/uts/steps.rs", "lessons/uts/steps.rs: cannot be read"),
    ("tests/facts.txt", "tests/facts.txt: cannot be read"),
];

/// Files that belong to no lesson, and what the check must say to them.
pub const ADDED: &[(&str, &str)] = &[
    ("lessons/unlisted/mod.rs", "lessons/unlisted: this program has no such lesson"),
    (
        "tests/snapshots/unlisted.json.snap",
        "tests/snapshots/unlisted.json.snap: remove it: there is no lesson unlisted",
    ),
    ("book/src/lessons/unlisted.md", "book/src/lessons/unlisted.md: there is no lesson of this name"),
    ("book/src/unlisted.md", "book/src/SUMMARY.md: add the page unlisted.md"),
];
