//! Which bonds are part of a ring: those whose removal leaves their ends connected.

/// Bonds that are no bridges, by an iterative search for low points (Tarjan 1974).
pub(super) fn ring_bonds(neighbours: &[Vec<(u32, u32)>], n_bonds: usize) -> Vec<bool> {
    let n = neighbours.len();
    let mut in_ring = vec![true; n_bonds];
    let mut order = vec![0u32; n];
    let mut low = vec![0u32; n];
    let mut clock = 0;
    for start in 0..n {
        if order[start] != 0 {
            continue;
        }
        clock += 1;
        (order[start], low[start]) = (clock, clock);
        // Atom, the bond that led to it, and how many of its neighbours were looked at.
        let mut path: Vec<(usize, Option<u32>, usize)> = vec![(start, None, 0)];
        while let Some((atom, came_by, looked)) = path.last_mut() {
            let (atom, came_by) = (*atom, *came_by);
            match neighbours[atom].get(*looked) {
                Some(&(next, bond)) => {
                    *looked += 1;
                    let next = next as usize;
                    if Some(bond) == came_by {
                        continue;
                    }
                    if order[next] == 0 {
                        clock += 1;
                        (order[next], low[next]) = (clock, clock);
                        path.push((next, Some(bond), 0));
                    } else {
                        low[atom] = low[atom].min(order[next]);
                    }
                }
                None => {
                    path.pop();
                    if let (Some((parent, ..)), Some(bond)) = (path.last(), came_by) {
                        low[*parent] = low[*parent].min(low[atom]);
                        if low[atom] > order[*parent] {
                            in_ring[bond as usize] = false;
                        }
                    }
                }
            }
        }
    }
    in_ring
}

/// Number of independent rings: bonds minus atoms plus components.
pub(super) fn count(neighbours: &[Vec<(u32, u32)>], n_bonds: usize) -> usize {
    let mut seen = vec![false; neighbours.len()];
    let mut components = 0;
    for start in 0..neighbours.len() {
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        components += 1;
        let mut open = vec![start];
        while let Some(atom) = open.pop() {
            for &(next, _) in &neighbours[atom] {
                if !std::mem::replace(&mut seen[next as usize], true) {
                    open.push(next as usize);
                }
            }
        }
    }
    n_bonds + components - neighbours.len()
}
