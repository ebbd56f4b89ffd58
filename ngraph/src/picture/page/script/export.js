// What is shown as a file: SVG, written from where things lie, and PNG.

const save = (blob, name) => {
  const anchor = make("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  // The browser may read it later than this returns.
  setTimeout(() => URL.revokeObjectURL(anchor.href), 60_000);
};

const MARGIN = 24;
const points = (pairs) => pairs.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");

const svgNode = (element) => {
  const node = element.data("of");
  const { x, y } = element.position();
  const [w, h] = [node.width / 2, node.height / 2];
  const cut = 8;
  const look = {
    fill: element.style("background-color"),
    stroke: element.style("border-color"),
    "stroke-width": node.members > 0 ? 3 : element.numericStyle("border-width"),
    ...{ dashed: { "stroke-dasharray": "5 3" }, dotted: { "stroke-dasharray": "1.5 3" } }[
      element.style("border-style")
    ],
  };
  const outline = {
    "round-rectangle": () =>
      drawn("rect", { x: x - w, y: y - h, width: 2 * w, height: 2 * h, rx: 8, ...look }),
    "cut-rectangle": () =>
      drawn("polygon", {
        points: points([
          [x - w + cut, y - h],
          [x + w - cut, y - h],
          [x + w, y - h + cut],
          [x + w, y + h - cut],
          [x + w - cut, y + h],
          [x - w + cut, y + h],
          [x - w, y + h - cut],
          [x - w, y - h + cut],
        ]),
        ...look,
      }),
    ellipse: () => drawn("circle", { cx: x, cy: y, r: w, ...look }),
    diamond: () =>
      drawn("polygon", {
        points: points([
          [x, y - h],
          [x + w, y],
          [x, y + h],
          [x - w, y],
        ]),
        ...look,
      }),
  }[shape(node)]();
  const below = isSmall ? 0.35 * node.font : h + node.font + 2;
  const name = drawn(
    "text",
    {
      x,
      y: y + below,
      "text-anchor": "middle",
      "font-size": node.font.toFixed(1),
      "font-weight": 500,
      fill: colour("text"),
      ...(!isSmall && { "paint-order": "stroke", stroke: colour("ground"), "stroke-width": 3 }),
    },
    node.label,
  );
  return drawn("g", { class: "node" }, drawn("title", {}, node.title), outline, name);
};

const svgEdge = (element) => {
  const edge = element.data("of");
  const start = element.sourceEndpoint();
  const end = element.targetEndpoint();
  const bends = element.controlPoints() ?? [];
  const stroke = element.style("line-color");
  const width = edgeWidth(edge);
  const last = bends.at(-1) ?? start;
  const angle = Math.atan2(end.y - last.y, end.x - last.x);
  const size = 5 + 1.6 * width;
  const corner = (turn) => [end.x - size * Math.cos(angle + turn), end.y - size * Math.sin(angle + turn)];
  // The line ends within the arrow, so that a wide one doesn't look out at its tip.
  const tail = { x: end.x - size * 0.7 * Math.cos(angle), y: end.y - size * 0.7 * Math.sin(angle) };
  const at = ({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`;
  const middles = bends.slice(0, -1).flatMap((bend, index) => {
    const next = bends[index + 1];
    return [`Q ${at(bend)} ${at({ x: (bend.x + next.x) / 2, y: (bend.y + next.y) / 2 })}`];
  });
  const line =
    bends.length > 0
      ? `M ${at(start)} ${middles.join(" ")} Q ${at(bends.at(-1))} ${at(tail)}`
      : `M ${at(start)} L ${at(tail)}`;
  const parts = [
    drawn("title", {}, `${edge.source.title} → ${edge.target.title}: ${edgeLabel(edge, ", ")}`),
    drawn("path", {
      d: line,
      fill: "none",
      stroke,
      "stroke-width": width.toFixed(1),
      "stroke-opacity": isSmall ? 0.9 : 0.5,
      ...{ dashed: { "stroke-dasharray": "7 4" }, dotted: { "stroke-dasharray": "2 3" } }[
        element.style("line-style")
      ],
    }),
    drawn("polygon", { points: points([[end.x, end.y], corner(0.42), corner(-0.42)]), fill: stroke }),
  ];
  if (isSmall && edge.change !== "none") {
    const { x, y } = element.midpoint();
    parts.push(
      drawn(
        "text",
        {
          x,
          y: y + 4,
          "text-anchor": "middle",
          "font-size": 11,
          fill: colour("text"),
          "paint-order": "stroke",
          stroke: colour("ground"),
          "stroke-width": 4,
        },
        edge.change,
      ),
    );
  }
  if (edge.is_translated) {
    parts.push(
      drawn("circle", {
        cx: start.x,
        cy: start.y,
        r: 4,
        fill: colour("ground"),
        stroke,
        "stroke-width": 1.5,
      }),
    );
  }
  if (edge.failed > 0) {
    const middle = element.midpoint();
    const across = Math.atan2(end.y - start.y, end.x - start.x) + Math.PI / 2;
    const reach = 4 + width;
    const [dx, dy] = [reach * Math.cos(across), reach * Math.sin(across)];
    parts.push(
      drawn("path", {
        d: `M ${at({ x: middle.x - dx, y: middle.y - dy })} L ${at({ x: middle.x + dx, y: middle.y + dy })}`,
        stroke,
        "stroke-width": 2.5,
      }),
    );
  }
  return drawn("g", { class: "edge" }, ...parts);
};

const svg = () => {
  const shown = cy.elements(":visible");
  const box = shown.boundingBox();
  const [width, height] = [box.w + 2 * MARGIN, box.h + 2 * MARGIN].map(Math.ceil);
  const [left, top] = [box.x1 - MARGIN, box.y1 - MARGIN];
  return drawn(
    "svg",
    {
      width,
      height,
      viewBox: `${left.toFixed(1)} ${top.toFixed(1)} ${width} ${height}`,
      "font-family": FONT.replaceAll('"', "'"),
      role: "img",
    },
    drawn("title", {}, visible(picture.title)),
    drawn("desc", {}, visible(`${picture.made_of}, ${picture.made_at}`)),
    drawn("rect", { x: left, y: top, width, height, fill: colour("ground") }),
    drawn("g", {}, ...shown.edges().map(svgEdge)),
    drawn("g", {}, ...shown.nodes().map(svgNode)),
  );
};

// Filters may have left nothing, and a picture of nothing is no file.
const onSave = (id, action) =>
  byId(id).addEventListener("click", () => {
    if (cy.elements(":visible").nonempty()) action();
    else byId("status").textContent = "Nothing is shown, so there is nothing to save.";
  });
onSave("save-svg", () =>
  save(new Blob([new XMLSerializer().serializeToString(svg())], { type: "image/svg+xml" }), "ngraph.svg"),
);
onSave("save-png", async () =>
  save(
    await cy.png({
      output: "blob-promise",
      full: true,
      scale: 2,
      maxWidth: 8_000,
      maxHeight: 8_000,
      bg: colour("ground"),
    }),
    "ngraph.png",
  ),
);
