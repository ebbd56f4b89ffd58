// The drawing: made once, moved by pointer, touch and keys.

const cy = cytoscape({
  container: byId("graph"),
  style: sheet(),
  layout: { name: "preset" },
  minZoom: 0.03,
  maxZoom: 4,
  boxSelectionEnabled: false,
  autounselectify: true,
  // Large graphs are moved as one image, which is drawn anew at rest.
  textureOnViewport: !isSmall,
  pixelRatio: isSmall ? "auto" : 1,
});

// Where the panel is a sheet over the drawing's foot.
const isNarrow = matchMedia("(max-width: 760px)");

const fit = (shown = cy.elements(":visible")) => {
  // The buttons at the edge cover nothing.
  cy.fit(shown.length > 0 ? shown : undefined, isNarrow.matches ? 30 : 46);
  // A handful of hosts isn't blown up.
  if (cy.zoom() > 1.35) {
    cy.zoom(1.35);
    cy.center(shown);
  }
};
const zoomBy = (factor) =>
  cy.zoom({ level: cy.zoom() * factor, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });

// Nodes come in where they belong: edges between nodes that lie in one place can't be drawn.
const elements = (at) => [
  ...nodes.map((node) => ({
    group: "nodes",
    data: { id: node.key, of: node },
    position: { ...at.get(node.key) },
  })),
  ...edges.map((edge) => ({
    group: "edges",
    data: { id: edge.key, source: edge.source.key, target: edge.target.key, of: edge },
  })),
];
const arrange = (name) => {
  if (nodes.length === 0) return;
  const { at, bends } = layouts[name](cy.width(), cy.height());
  cy.batch(() => {
    if (cy.elements().empty()) cy.add(elements(at));
    else cy.nodes().positions((element) => at.get(element.id()));
    for (const edge of cy.edges()) {
      const its = bends.get(edge.id()) ?? [];
      edge.data("bends", its);
      edge.toggleClass("bent", its.length > 0);
    }
  });
  fit();
};

byId("graph").setAttribute(
  "aria-label",
  `Drawing of ${plural(nodes.length, "host")} and ${plural(edges.length, "edge")}. Arrow keys move it, plus and minus zoom. ` +
    "The list of hosts and the tables tell the same.",
);
byId("zoom-in").addEventListener("click", () => zoomBy(1.3));
byId("zoom-out").addEventListener("click", () => zoomBy(1 / 1.3));
byId("zoom-fit").addEventListener("click", () => fit());

const layoutChoice = byId("layout");
layoutChoice.value = isLayered ? "layers" : "force";
byId("layouts").hidden = !canLayer;
layoutChoice.addEventListener("change", () => arrange(layoutChoice.value));

const STEP = 60;
const MOVES = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
byId("graph").addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (MOVES[event.key]) cy.panBy({ x: MOVES[event.key][0], y: MOVES[event.key][1] });
  else if (event.key === "+" || event.key === "=") zoomBy(1.3);
  else if (event.key === "-") zoomBy(1 / 1.3);
  else if (event.key === "0") fit();
  else return;
  event.preventDefault();
});

// The whole name, where the drawing has it short or not at all.
cy.on("mouseover", "node", ({ target }) => {
  byId("graph").title = target.data("of").title;
});
cy.on("mouseout", "node", () => {
  byId("graph").title = "";
});
cy.on("mouseover", "node, edge", () => {
  byId("graph").style.cursor = "pointer";
});
cy.on("mouseout", "node, edge", () => {
  byId("graph").style.cursor = "";
});
