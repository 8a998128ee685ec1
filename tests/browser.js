// What a reader would notice on a page of the book, as seen from inside of it. Evaluated by tests/browser.rs, which
// gets the report as JSON.
(async () => {
    const problems = [];
    const words = element => (element.textContent || "").trim().slice(0, 60);
    const place = element => `<${element.tagName.toLowerCase()} class="${element.getAttribute("class") || ""}"> ${words(element)}`;

    // Colours, as WCAG 2 compares them.
    const rgb = text => (text.match(/[\d.]+/g) || []).map(Number);
    const linear = part => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const contrast = (one, other) => {
        const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
        return (light + 0.05) / (dark + 0.05);
    };
    // What is behind an element; `known` is of one theme.
    const ground = (element, known) => {
        if (!element) {
            return [255, 255, 255];
        }
        if (!known.has(element)) {
            const colour = rgb(getComputedStyle(element).backgroundColor);
            const covers = colour.length === 3 || colour[3] === 1;
            known.set(element, covers ? colour : ground(element.parentElement, known));
        }
        return known.get(element);
    };
    const readable = (element, known) => {
        const ratio = contrast(rgb(getComputedStyle(element).color), ground(element, known));
        if (ratio < 4.5) {
            problems.push(`contrast ${ratio.toFixed(2)} in ${document.documentElement.className}: ${place(element)}`);
        }
    };

    const blocks = [...document.querySelectorAll("code.transcript, code.by-hand, code.program")];
    const pictures = [...document.querySelectorAll("svg.moment")];
    const coloured = "[class^=ns-], .held, .failed, .notice, .quiet, .strong";
    for (const theme of ["light", "rust", "coal", "navy", "ayu"]) {
        document.getElementById(`mdbook-theme-${theme}`).click();
        if (!document.documentElement.classList.contains(theme)) {
            problems.push(`there is no theme ${theme}`);
        }
        const known = new Map();
        for (const block of blocks) {
            [block, ...block.querySelectorAll(coloured)].forEach(element => readable(element, known));
        }
        for (const picture of pictures) {
            [picture, ...picture.querySelectorAll("text")].forEach(element => readable(element, known));
        }
    }

    for (const block of blocks) {
        if (words(block) === "") {
            problems.push(`an empty block: ${place(block)}`);
        }
        if (block.textContent.includes("{{#") || block.textContent.includes("ANCHOR")) {
            problems.push(`not included: ${place(block)}`);
        }
        if (block.matches(".transcript") && !block.querySelector(coloured)) {
            problems.push(`without colours: ${place(block)}`);
        }
    }
    for (const picture of pictures) {
        const { width, height } = picture.getBoundingClientRect();
        const named = (picture.getAttribute("aria-labelledby") || "").split(" ").map(id => document.getElementById(id));
        if (width < 150 || height < 60 || getComputedStyle(picture).visibility !== "visible") {
            problems.push(`a picture of ${width} by ${height}: ${place(picture)}`);
        }
        if (named.length !== 2 || !named.every(element => element && words(element))) {
            problems.push(`a picture without a title or a description: ${place(picture)}`);
        }
        // What is drawn is where it can be seen.
        const [, , right, bottom] = picture.getAttribute("viewBox").split(" ").map(Number);
        for (const drawn of picture.querySelectorAll("text, rect")) {
            const box = drawn.getBBox();
            if (box.x < 0 || box.y < 0 || box.x + box.width > right || box.y + box.height > bottom) {
                problems.push(`outside of its picture: ${place(drawn)}`);
            }
        }
    }

    // Nothing but blocks of code is wider than its place.
    const page = document.documentElement;
    if (page.scrollWidth > page.clientWidth) {
        problems.push(`the page is ${page.scrollWidth} wide in a window of ${page.clientWidth}`);
    }
    for (const element of document.querySelectorAll("#mdbook-content *")) {
        const scrolls = ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
        if (scrolls && element.scrollWidth > element.clientWidth + 1 && !element.closest("pre")) {
            problems.push(`scrolls sideways at ${innerWidth}: ${place(element)}`);
        }
    }

    return JSON.stringify({
        problems,
        links: [...document.querySelectorAll("a[href]")].map(link => link.href),
        ids: [...document.querySelectorAll("[id]")].map(element => element.id),
        blocks: blocks.length,
        pictures: pictures.length,
    });
})();
