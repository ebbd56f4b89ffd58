// The document, read once: nodes and edges by key, what is summed up over them, and text as it is shown.

const byId = (id) => document.getElementById(id);
const picture = JSON.parse(byId("document").textContent);

// Controls and marks that turn the direction of writing are shown as what they are: one name must
// not look like another, and none may turn the text around it.
const visible = (text) =>
  text.replace(
    /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]/gu,
    "\ufffd",
  );

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

// Keys of our own: an id may be anything, and is no part of a selector.
const nodes = picture.nodes.map((node, index) => {
  const title = visible(node.title || node.addresses[0] || node.id);
  return {
    ...node,
    key: `n${index}`,
    title,
    addresses: node.addresses.map(visible),
    names: node.names.map(visible).filter((name) => name !== title),
    edges: [],
  };
});
const nodesById = new Map(nodes.map((node) => [node.id, node]));

const edges = picture.edges
  .filter((edge) => nodesById.has(edge.source) && nodesById.has(edge.target))
  .map((edge, index) => {
    const source = nodesById.get(edge.source);
    const target = nodesById.get(edge.target);
    const failed = sum(Object.values(edge.failures));
    const made = { ...edge, key: `e${index}`, source, target, failed };
    source.edges.push(made);
    if (target !== source) target.edges.push(made);
    return made;
  });

for (const node of nodes) {
  node.connections = sum(node.edges.map((edge) => edge.connections));
  node.failed = sum(node.edges.map((edge) => edge.failed));
  node.searched = [node.title, ...node.names, ...node.addresses].join("\n").toLowerCase();
}
// What matters most comes first: failures, then traffic.
const listed = [...nodes].sort(
  (one, other) => other.failed - one.failed || other.connections - one.connections,
);

const counted = new Intl.NumberFormat("en");
const rated = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const count = (number) => counted.format(number);
const rate = (number) => (number === null ? "" : `${rated.format(number)}/s`);
const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;
const failures = (edge) =>
  Object.entries(edge.failures)
    .map(([reason, number]) => `${count(number)} ${visible(reason)}`)
    .join(", ");

// What an edge is beside its numbers, in words.
const remarks = (edge) => [
  ...Object.entries(edge.labels).map(
    ([label, values]) => `${visible(label)} ${values.map(visible).join(", ")}`,
  ),
  ...({ source: ["told by the connecting end alone"], target: ["told by the accepting end alone"] }[
    edge.seen_by
  ] ?? []),
  ...(edge.is_one_sided ? ["the other end's agent missed it, or addresses were translated"] : []),
  ...(edge.is_translated ? ["translated on the way"] : []),
  ...(edge.change === "none" ? [] : [edge.change]),
];

// An element with text and children; data becomes text nodes and nothing else.
const make = (tag, properties = {}, ...children) => {
  const { attributes = {}, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
// A name keeps its own direction of writing to itself.
const isolated = (text, className = "") => make("bdi", { className, textContent: text });

const drawn = (tag, attributes, ...children) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
