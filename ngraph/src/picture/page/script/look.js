// How nodes and edges look: colours of the page's own style, shapes, sizes, names that fit.

// Before anything is drawn, so that nothing is drawn twice.
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
document.documentElement.dataset.theme = prefersDark.matches ? "dark" : "light";

const properties = getComputedStyle(document.documentElement);
const FONT = properties.getPropertyValue("--font").trim();
// Asked for once for each style sheet: thousands of elements would ask anew.
const palette = new Map();
const colour = (name) => {
  if (!palette.has(name)) palette.set(name, properties.getPropertyValue(`--${name}`).trim());
  return palette.get(name);
};

const LONGEST = 190;
const pen = document.createElement("canvas").getContext("2d");
const textWidth = (text, size) => {
  pen.font = `500 ${size}px ${FONT}`;
  return pen.measureText(text).width;
};
// By characters as people count them, so that none is cut in two.
const graphemes = (text) =>
  Intl.Segmenter
    ? Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment)
    : Array.from(text);
const shortened = (text, size, width) => {
  if (textWidth(text, size) <= width) return text;
  const characters = graphemes(text.slice(0, 200));
  let [fits, not] = [0, characters.length];
  while (not - fits > 1) {
    const middle = (fits + not) >> 1;
    if (textWidth(`${characters.slice(0, middle).join("")}…`, size) <= width) fits = middle;
    else not = middle;
  }
  return `${characters.slice(0, fits).join("")}…`;
};

for (const node of nodes) {
  const remark = [
    ...(node.members > 0 ? [`${count(node.members)} hosts`] : []),
    ...(node.change === "none" ? [] : [node.change]),
  ]
    .map((word) => ` · ${word}`)
    .join("");
  const degree = node.edges.length;
  node.font = isSmall ? 13 : Math.min(32, 8 + 2.4 * Math.sqrt(degree));
  node.label = shortened(node.title, node.font, LONGEST) + (isSmall ? remark : "");
  node.width = isSmall
    ? Math.ceil(textWidth(node.label, node.font)) + 26
    : Math.min(46, 12 + 2.6 * Math.sqrt(degree));
  node.height = isSmall ? 32 : node.width;
}

const shape = (node) =>
  isSmall
    ? node.is_internal
      ? "round-rectangle"
      : "cut-rectangle"
    : node.is_internal
      ? "ellipse"
      : "diamond";
const nodeFill = (node) =>
  !node.is_internal ? "outside" : isSmall || !node.has_agent || node.members > 0 ? "node" : "node-line";
const edgeColour = (edge) =>
  colour(edge.failed > 0 ? "fail" : { new: "new", gone: "gone", none: "edge" }[edge.change]);
// Many wide lines would be one surface.
const widening = edges.length <= 60 ? 1 : edges.length <= 240 ? 0.7 : 0.5;
const edgeWidth = (edge) => 1 + 1.2 * widening * Math.min(5, Math.log10(1 + edge.connections));
const nodeLine = (node) =>
  colour({ new: "new", gone: "gone", none: node.is_internal ? "node-line" : "outside-line" }[node.change]);

// Cytoscape's style sheet for the colours of the moment.
const sheet = () => {
  palette.clear();
  const text = colour("text");
  const ground = colour("ground");
  const of = (element) => element.data("of");
  return [
    {
      selector: "node",
      style: {
        shape: (element) => shape(of(element)),
        width: (element) => of(element).width,
        height: (element) => of(element).height,
        label: (element) => of(element).label,
        "font-family": FONT,
        "font-size": (element) => of(element).font,
        "font-weight": 500,
        color: text,
        "text-valign": isSmall ? "center" : "bottom",
        "text-margin-y": isSmall ? 0 : 3,
        "min-zoomed-font-size": isSmall ? 0 : 9,
        "text-outline-color": ground,
        "text-outline-width": isSmall ? 0 : 2,
        "background-color": (element) => colour(nodeFill(of(element))),
        "border-color": (element) => nodeLine(of(element)),
        "border-width": (element) => (of(element).members > 0 ? 4 : of(element).change === "new" ? 2.5 : 1.4),
        "border-style": (element) =>
          of(element).members > 0
            ? "double"
            : of(element).change === "gone"
              ? "dotted"
              : of(element).has_agent || !of(element).is_internal
                ? "solid"
                : "dashed",
      },
    },
    {
      selector: "edge",
      style: {
        width: (element) => edgeWidth(of(element)),
        "line-color": (element) => edgeColour(of(element)),
        "line-style": (element) =>
          of(element).change === "gone" ? "dotted" : of(element).seen_by === "both" ? "solid" : "dashed",
        "line-dash-pattern": [7, 4],
        "line-opacity": isSmall ? 0.9 : (element) => (of(element).failed > 0 ? 0.9 : 0.32),
        // Thousands of curves are slow to draw and no easier to follow.
        "curve-style": isSmall ? "bezier" : "straight",
        "control-point-step-size": 34,
        "target-arrow-shape": "triangle",
        "target-arrow-color": (element) => edgeColour(of(element)),
        "source-arrow-shape": (element) => (of(element).is_translated ? "circle" : "none"),
        "source-arrow-color": (element) => edgeColour(of(element)),
        "source-arrow-fill": "hollow",
        "mid-target-arrow-shape": (element) => (of(element).failed > 0 ? "tee" : "none"),
        "mid-target-arrow-color": (element) => edgeColour(of(element)),
        "arrow-scale": isSmall ? 1 : 0.8,
        "font-family": FONT,
        "font-size": 11,
        label: (element) => (isSmall && of(element).change !== "none" ? of(element).change : ""),
        color: (element) => (of(element).failed > 0 ? colour("fail") : text),
        "text-background-color": ground,
        "text-background-opacity": 0.85,
        "text-background-padding": 2,
        "text-wrap": "wrap",
        "text-background-shape": "roundrectangle",
        "min-zoomed-font-size": 7,
        "z-index": (element) => (of(element).failed > 0 ? 2 : 1),
      },
    },
    // Above the node, where it is narrowest.
    {
      selector: "edge:loop",
      style: {
        "curve-style": "bezier",
        "loop-direction": "0deg",
        "loop-sweep": "-60deg",
        "control-point-step-size": 44,
      },
    },
    {
      selector: "edge.bent",
      style: {
        "curve-style": "unbundled-bezier",
        "control-point-weights": (element) => element.data("bends").map(({ weight }) => weight),
        "control-point-distances": (element) => element.data("bends").map(({ distance }) => distance),
        "edge-distances": "node-position",
      },
    },
    { selector: ".hidden", style: { display: "none" } },
    { selector: "node.faded", style: { opacity: 0.28 } },
    { selector: "edge.faded", style: { opacity: isSmall ? 0.2 : 0.1 } },
    { selector: "edge.near", style: { "line-opacity": 1, "z-index": 5 } },
    // Near the other host: at the chosen one they would lie on each other.
    {
      selector: "edge.out",
      style: { "target-label": (element) => edgeLabel(of(element), "\n"), "target-text-offset": 40 },
    },
    {
      selector: "edge.in",
      style: { "source-label": (element) => edgeLabel(of(element), "\n"), "source-text-offset": 34 },
    },
    { selector: "edge.chosen", style: { label: (element) => edgeLabel(of(element), "\n") } },
    {
      selector: "node.chosen",
      style: {
        "border-color": colour("accent"),
        "border-width": 3.5,
        "border-style": "solid",
        "z-index": 20,
        "min-zoomed-font-size": 0,
      },
    },
    {
      selector: "edge.chosen",
      style: { "line-color": colour("accent"), "target-arrow-color": colour("accent") },
    },
    { selector: "node.near", style: { "min-zoomed-font-size": 5, "z-index": 10 } },
    { selector: "core", style: { "active-bg-opacity": 0.08, "active-bg-color": text } },
  ];
};

const edgeLabel = (edge, between) =>
  [
    edge.opened_per_second === null ? count(edge.connections) : rate(edge.opened_per_second),
    ...(edge.failed > 0 ? [`${count(edge.failed)} failed`] : []),
  ].join(between);
