// Gives the transcripts in the book the terminal's colours, by what the words mean: every colour stands for something
// that is also there in words, so the words are all that it takes. tests/browser.rs compares the result, letter by
// letter, with what the program prints on a terminal that has colours.
"use strict";

(() => {
    const namespaceClass = letter => `ns-${(letter.charCodeAt(0) - 65) % 6}`;

    // Splits words at the namespaces in them: `uts:[4026532001] A`.
    function withNamespaces(words, otherwise) {
        const pieces = [];
        let from = 0;
        for (const found of words.matchAll(/[a-z]+:\[\d+\] ([A-Z])/g)) {
            pieces.push([otherwise, words.slice(from, found.index)], [namespaceClass(found[1]), found[0]]);
            from = found.index + found[0].length;
        }
        pieces.push([otherwise, words.slice(from)]);
        return pieces;
    }

    // What stands behind the equals sign of a call: its result, and perhaps what to notice about it.
    function answer(words) {
        const refused = words.match(/^((?:-1|\d+, refused:) E[A-Z0-9]+(?: \(.*?\))?)(.*)$/);
        if (refused) {
            return [["notice", refused[1]], ...note(refused[2])];
        }
        const noted = words.match(/^(.*?)( {3}\S.*)$/);
        return noted ? [...withNamespaces(noted[1], ""), ...note(noted[2])] : withNamespaces(words, "");
    }

    const note = words => [[words.startsWith("   ") ? "quiet" : "", words]];

    // The pieces of a line of a call from the place where the call begins.
    function call(words) {
        const at = words.search(/\) = (?!.*\) = )/);
        if (at < 0) {
            const padded = words.match(/^(.*\) +)(= )(.*)$/);
            return padded ? [["", padded[1]], ["quiet", padded[2]], ...answer(padded[3])] : [["", words]];
        }
        return [["", words.slice(0, at + 2)], ["quiet", "= "], ...answer(words.slice(at + 4))];
    }

    // A row of the table "who is in which namespace", or of one that compares.
    function cells(words) {
        const pieces = [];
        let rest = words;
        for (let found; (found = rest.match(/^( *)(([A-Z])(?: \d+)?)(?= |$)/)); rest = rest.slice(found[0].length)) {
            pieces.push(["", found[1]], [namespaceClass(found[3]), found[2]]);
        }
        return [...pieces, ...marked(rest)];
    }

    function marked(words) {
        const mark = words.match(/^(.*?)(◀ (?:changed|differs))$/);
        return mark ? [["", mark[1]], ["notice", mark[2]]] : [["", words]];
    }

    // The lines of a transcript, each as pieces: a class and words.
    function colours(text) {
        let inside = "";
        return text.split("\n").map((line, index, lines) => {
            const match = (pattern, next, pieces) => {
                const found = line.match(pattern);
                if (found) {
                    inside = next;
                }
                return found && pieces(found);
            };
            const stays = (wanted, pattern, pieces) => inside === wanted && match(pattern, wanted, pieces);
            return (
                (line === "" && ((inside = ""), [["", ""]])) ||
                match(/^(\d+\/\d+ ── )(.*?)( )(─+)$/, "", f => [["quiet", f[1]], ["strong", f[2]], ["", f[3]], ["quiet", f[4]]]) ||
                match(/^(  )(✔)( .*?)(?:( {2,})([a-z][a-z0-9-]+))?$/, "claim", f => {
                    inside = f[5] ? "evidence" : "claim";
                    return [["", f[1]], ["held", f[2]], ["", f[3]], ["", f[4] || ""], ["quiet", f[5] || ""]];
                }) ||
                stays("claim", /^(.*?)( {2,})([a-z][a-z0-9-]+)$/, f => {
                    inside = "evidence";
                    return [["", f[1] + f[2]], ["quiet", f[3]]];
                }) ||
                stays("claim", /^    \S/, () => [["", line]]) ||
                stays("evidence", /^    \S/, () => withNamespaces(line, "quiet")) ||
                match(/^(  )(\?)( )(.*)$/, "question", f => [["", f[1]], ["notice", f[2]], ["", f[3]], ["strong", f[4]]]) ||
                stays("question", /^( {4})(\S.*)$/, f => [["", f[1]], ["strong", f[2]]]) ||
                match(/^(  )(!)( )(.*)$/, "answer", f => [["", f[1]], ["notice", f[2]], ["", f[3]], ["strong", f[4]]]) ||
                match(/^(  (?:by hand:|docker:) +)(.*)$/, "command", f => [["quiet", f[1]], ["strong", f[2]]]) ||
                stays("command", /^( {12})(.*)$/, f => [["", f[1]], ["strong", f[2]]]) ||
                match(/^( {13})(↳ .*)$/, "note", f => [["", f[1]], ["quiet", f[2]]]) ||
                stays("note", /^( {15})(\S.*)$/, f => [["", f[1]], ["quiet", f[2]]]) ||
                match(/^ {2}\S.* before +after$/, "compared", () => [["quiet", line]]) ||
                stays("compared", /^(  )(\S+)(.*)$/, f => [["", f[1]], ["strong", f[2]], ...marked(f[3])]) ||
                (/^ {2}cgroup /.test(lines[index + 1] || "") && match(/^ {13}\S/, "table", () => heads(line))) ||
                stays("table", /^(  [a-z]+ +)(.*)$/, f => [["", f[1]], ...cells(f[2])]) ||
                match(/^(  )(\S+)( +)([a-z_0-9]+\(.*)$/, "call", f => [["", f[1]], ["strong", f[2]], ["", f[3]], ...call(f[4])]) ||
                stays("call", /^( {17})(\S.*)$/, f => [["", f[1]], ...call(f[2])]) ||
                match(/^(  )(\S+)( +)(\S.*)$/, "look", f => [["", f[1]], ["strong", f[2]], ["", f[3]], ["strong", f[4]]]) ||
                stays("look", /^( {13})(\(nothing\))$/, f => [["", f[1]], ["quiet", f[2]]]) ||
                [["", line]]
            );
        });
    }

    const heads = line => line.split(/( +)/).map(word => [word.trim() ? "strong" : "", word]);

    // A shell session: what was typed, and what it printed.
    const session = text => text.split("\n").map(line => [[/^[$>] /.test(line) ? "strong" : "", line]]);

    function paint(block, lines) {
        block.textContent = "";
        lines.forEach((pieces, index) => {
            block.append(index ? "\n" : "");
            for (const [meaning, words] of pieces) {
                const node = meaning ? document.createElement("span") : document.createTextNode(words);
                if (meaning) {
                    node.className = meaning;
                    node.textContent = words;
                }
                block.append(node);
            }
        });
    }

    document.querySelectorAll("code.transcript").forEach(block => paint(block, colours(block.textContent)));
    document.querySelectorAll("code.by-hand").forEach(block => paint(block, session(block.textContent)));
})();
