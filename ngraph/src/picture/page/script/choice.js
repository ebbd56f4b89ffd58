// What is chosen: the panel shows it, the drawing points it out, Escape leaves it.

let chosen = null;

const mark = () => {
  cy.batch(() => {
    cy.elements().removeClass("chosen near faded out in");
    if (chosen) {
      const element = cy.getElementById(chosen.key);
      const near = element.isNode() ? element.closedNeighborhood() : element.union(element.connectedNodes());
      cy.elements().difference(near).addClass("faded");
      near.addClass("near");
      element.addClass("chosen");
      if (element.isNode()) {
        element.outgoers("edge").addClass("out");
        element.incomers("edge").addClass("in");
      }
    } else if (found) {
      cy.nodes()
        .filter((element) => !found.has(element.id()))
        .addClass("faded");
      cy.edges().addClass("faded");
      cy.nodes()
        .filter((element) => found.has(element.id()))
        .addClass("near");
    }
  });
};

const choose = (thing) => {
  chosen = thing;
  showDetail(thing.edges ? nodeDetail(thing) : edgeDetail(thing));
  mark();
  byId("detail").focus({ preventScroll: true });
  reveal(cy.getElementById(thing.key));
};

// Moves the drawing only if what was chosen isn't in sight; where there is little room, all that it
// speaks with is brought into it.
const reveal = (element) => {
  if (isNarrow.matches) return fit(cy.elements(".near"));
  if (element.isEdge()) return;
  const box = element.renderedBoundingBox();
  const isSeen = box.x1 >= 0 && box.y1 >= 0 && box.x2 <= cy.width() && box.y2 <= cy.height();
  if (!isSeen) cy.center(element);
};

const leave = () => {
  const left = chosen;
  chosen = null;
  showOverview();
  mark();
  const row = left && rows.get(left.key);
  if (row && !row.hidden) row.querySelector("button").focus();
};

cy.on("tap", "node, edge", ({ target }) => choose(target.data("of")));
cy.on("tap", (event) => {
  if (event.target === cy && chosen) leave();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !byId("about").open) {
    if (chosen) leave();
    else clearSearch();
  } else if (
    event.key === "/" &&
    !event.ctrlKey &&
    !event.metaKey &&
    !/^(INPUT|SELECT)$/.test(document.activeElement.tagName)
  ) {
    event.preventDefault();
    byId("search").focus();
    byId("search").select();
  }
});
