// Where nodes lie: in layers, callers first, or pulled together by their edges. The same each time.

// Boxes that hold their names, as long as there are few; else dots, as large as they are busy.
const isSmall = nodes.length <= 60 && edges.length <= 240;
// More than that takes dagre seconds, and crosses too often to be read.
const canLayer = nodes.length <= 150 && edges.length <= 500;
const isLayered = nodes.length <= 60 && edges.length <= 120;

const layered = (direction, ratio) => {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({
    rankdir: direction,
    nodesep: nodes.length <= 30 ? 20 : 7,
    ranksep: 86,
    edgesep: 10,
    ranker: "network-simplex",
  });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) graph.setNode(node.key, { width: node.width, height: node.height });
  for (const edge of edges) {
    if (edge.source !== edge.target) graph.setEdge(edge.source.key, edge.target.key);
  }
  dagre.layout(graph);
  const { width, height } = graph.graph();
  // Layers move apart as far as there is room.
  const room = direction === "LR" ? (height * ratio) / width : width / ratio / height;
  const apart = Math.min(3, Math.max(1, room));
  const moved = ({ x, y }) => (direction === "LR" ? { x: x * apart, y } : { x, y: y * apart });
  const at = new Map(nodes.map((node) => [node.key, moved(graph.node(node.key))]));
  const bends = new Map(
    edges
      .filter((edge) => edge.source !== edge.target)
      .map((edge) => {
        const [source, target] = [edge.source.key, edge.target.key];
        // Between neighbouring layers there is nothing to go around.
        const points = graph.edge(source, target).points.slice(1, -1);
        return [
          edge.key,
          points.length < 3 ? [] : points.map((point) => aside(at.get(source), at.get(target), moved(point))),
        ];
      }),
  );
  return { width, height, at, bends };
};

// Where a point lies as seen along the line between two nodes, so that it moves with them.
const aside = (from, to, point) => {
  const [x, y] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(x, y) || 1;
  const [dx, dy] = [point.x - from.x, point.y - from.y];
  return { weight: (dx * x + dy * y) / length ** 2, distance: (dy * x - dx * y) / length };
};

// Of the two directions, that which leaves the names larger.
const inLayers = (width, height) => {
  const scale = (layout) => Math.min(width / layout.width, height / layout.height);
  const [across, down] = ["LR", "TB"].map((direction) => layered(direction, width / height));
  return scale(down) > scale(across) * 1.15 ? down : across;
};

const byForce = (width, height) => {
  const bodies = nodes.map((node) => ({
    key: node.key,
    radius: Math.max(node.width, node.height) / 2,
    of: node,
  }));
  const places = new Map(bodies.map((body, index) => [body.key, index]));
  const links = edges
    .filter((edge) => edge.source !== edge.target)
    .map((edge) => ({ source: places.get(edge.source.key), target: places.get(edge.target.key) }));
  const room = isSmall ? 60 : 34;
  const slant = Math.sqrt(Math.max(width, 1) / Math.max(height, 1));
  const simulation = d3
    .forceSimulation(bodies)
    .force(
      "link",
      d3.forceLink(links).distance((link) => room + link.source.radius + link.target.radius),
    )
    .force(
      "charge",
      d3
        .forceManyBody()
        .strength((body) => (isSmall ? -620 : -300 - 14 * body.of.edges.length))
        .distanceMax(1_200),
    )
    .force(
      "collide",
      d3.forceCollide((body) => body.radius + (isSmall ? 6 : 3 + 0.8 * body.of.font)).iterations(2),
    )
    .force("x", d3.forceX().strength(0.07 / slant))
    .force("y", d3.forceY().strength(0.07 * slant))
    .stop();
  simulation.tick(260);
  return { at: new Map(bodies.map(({ key, x, y }) => [key, { x, y }])), bends: new Map() };
};

const layouts = { layers: inLayers, force: byForce };
