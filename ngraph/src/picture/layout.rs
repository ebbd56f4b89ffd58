//! Where nodes lie in a still picture: in columns, from those that connect to those that are
//! connected to, as `dot` does it.
//!
//! Own code, since of the libraries that lay out in columns (rust-sugiyama 0.4, dagre 0.1.2) both
//! took seconds for 200 nodes and 600 edges, and this has to draw 500 and 3,000 of them in one.

use std::collections::{BTreeMap, BTreeSet};

/// Sweeps over all columns, in turns from the left and from the right: more change little.
const SWEEPS: usize = 8;

/// Places by column and row. Columns of many rows are broken into several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The nodes of each column, from top to bottom.
    pub columns: Vec<Vec<usize>>,
}

/// Lays out `nodes` nodes with edges from one to another.
pub fn layout(nodes: usize, edges: &[(usize, usize)]) -> Layout {
    let edges: BTreeSet<(usize, usize)> =
        edges.iter().copied().filter(|(from, to)| from != to).collect();
    let mut beside: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for &(from, to) in &edges {
        beside[from].push(to);
        beside[to].push(from);
    }
    let mut columns: Vec<Vec<usize>> = Vec::new();
    for (node, rank) in ranks(nodes, &edges).into_iter().enumerate() {
        columns.resize(columns.len().max(rank + 1), Vec::new());
        columns[rank].push(node);
    }
    order(&mut columns, &beside);
    // About as high as wide: a node is four times as wide as it is high.
    let rows = ((nodes as f64).sqrt() * 1.6).ceil().max(8.0) as usize;
    Layout { columns: columns.iter().flat_map(|column| broken(column, rows)).collect() }
}

/// The column of each node: one behind all that connect to it, where circles are cut.
fn ranks(nodes: usize, edges: &BTreeSet<(usize, usize)>) -> Vec<usize> {
    let position: Vec<usize> = {
        let order = in_line(nodes, edges);
        let mut position = vec![0; nodes];
        for (i, node) in order.iter().enumerate() {
            position[*node] = i;
        }
        position
    };
    // What points back in the line is turned round.
    let mut forward: Vec<(usize, usize)> = edges
        .iter()
        .map(|&(from, to)| if position[from] < position[to] { (from, to) } else { (to, from) })
        .collect();
    forward.sort_by_key(|&(from, to)| (position[from], to));
    let mut ranks = vec![0; nodes];
    for (from, to) in forward {
        ranks[to] = ranks[to].max(ranks[from] + 1);
    }
    ranks
}

/// All nodes in a line in which few edges point back: what nobody connects to first, what connects
/// to nobody last, and of the rest always the one that connects to more than connect to it (Eades,
/// Lin, Smyth: a fast and effective heuristic for the feedback arc set problem).
fn in_line(nodes: usize, edges: &BTreeSet<(usize, usize)>) -> Vec<usize> {
    let (mut outgoing, mut incoming) = (vec![BTreeSet::new(); nodes], vec![BTreeSet::new(); nodes]);
    for &(from, to) in edges {
        outgoing[from].insert(to);
        incoming[to].insert(from);
    }
    let mut left: BTreeSet<usize> = (0..nodes).collect();
    let (mut first, mut last) = (Vec::new(), Vec::new());
    while !left.is_empty() {
        let sink =
            left.iter().copied().find(|&it| outgoing[it].is_empty() && !incoming[it].is_empty());
        let source = || left.iter().copied().find(|&it| incoming[it].is_empty());
        let excess = |node: &usize| outgoing[*node].len() as i64 - incoming[*node].len() as i64;
        // Of several the first: max_by_key gives the last.
        let most = || left.iter().rev().copied().max_by_key(excess);
        let Some(node) = sink.or_else(source).or_else(most) else { break };
        if sink.is_some() {
            last.push(node)
        } else {
            first.push(node)
        }
        left.remove(&node);
        for to in std::mem::take(&mut outgoing[node]) {
            incoming[to].remove(&node);
        }
        for from in std::mem::take(&mut incoming[node]) {
            outgoing[from].remove(&node);
        }
    }
    last.reverse();
    first.extend(last);
    first
}

/// Each node as high as those that it is connected with, on average.
fn order(columns: &mut [Vec<usize>], beside: &[Vec<usize>]) {
    let mut height: BTreeMap<usize, f64> = BTreeMap::new();
    for column in columns.iter() {
        spread(column, &mut height);
    }
    for sweep in 0..SWEEPS {
        let mut turn: Vec<&mut Vec<usize>> = columns.iter_mut().collect();
        if sweep % 2 == 1 {
            turn.reverse();
        }
        for column in turn {
            let mean = |node: usize| {
                let all = &beside[node];
                let sum: f64 = all.iter().map(|it| height[it]).sum();
                if all.is_empty() { height[&node] } else { sum / all.len() as f64 }
            };
            let mut by_mean: Vec<(f64, usize)> =
                column.iter().map(|&node| (mean(node), node)).collect();
            by_mean.sort_by(|a, b| a.0.total_cmp(&b.0));
            *column = by_mean.into_iter().map(|(_, node)| node).collect();
            spread(column, &mut height);
        }
    }
}

/// A column's nodes from 0 to 1, so that long and short columns compare.
fn spread(column: &[usize], height: &mut BTreeMap<usize, f64>) {
    let length = column.len() as f64;
    height.extend(column.iter().enumerate().map(|(i, &node)| (node, (i as f64 + 0.5) / length)));
}

/// A long column as several, each with every so many of its rows, so that order stays.
fn broken(column: &[usize], rows: usize) -> Vec<Vec<usize>> {
    let parts = column.len().div_ceil(rows).max(1);
    (0..parts).map(|part| column.iter().skip(part).step_by(parts).copied().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_connects_is_left_of_who_is_connected_to() {
        let layout = layout(5, &[(3, 1), (1, 0), (0, 4), (3, 2), (2, 0)]);
        assert_eq!(layout.columns, [vec![3], vec![1, 2], vec![0], vec![4]]);
    }

    #[test]
    fn circles_and_loops_end() {
        let layout = layout(3, &[(0, 1), (1, 2), (2, 0), (1, 1)]);
        let mut nodes: Vec<usize> = layout.columns.concat();
        nodes.sort_unstable();
        assert_eq!(nodes, [0, 1, 2]);
        assert_eq!(super::layout(0, &[]), Layout::default());
    }

    #[test]
    fn neighbours_lie_side_by_side() {
        // Crossed as they come: 0 to 3, 1 to 2.
        let layout = layout(4, &[(0, 3), (1, 2)]);
        assert_eq!(layout.columns, [vec![1, 0], vec![2, 3]]);
    }

    #[test]
    fn a_long_column_is_broken_and_holds_every_node_once() {
        let edges: Vec<(usize, usize)> = (1..100).map(|node| (node, 0)).collect();
        let layout = layout(100, &edges);
        assert!(layout.columns.iter().all(|column| column.len() <= 16), "{layout:?}");
        let nodes: BTreeSet<usize> = layout.columns.concat().into_iter().collect();
        assert_eq!((nodes.len(), layout.columns.concat().len()), (100, 100));
    }
}
