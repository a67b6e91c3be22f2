//! A map of the rows: points of the plane, coloured by cluster.
//!
//! Enters: places that were found elsewhere. Axes are left out, because places have no unit; both have one scale. A point is
//! a path of some twenty bytes that its group gives shape and colour, so that thousands of them stay light.

use std::fmt::Write as _;

use super::{Anchor, Canvas, Point, Rect, place, scale, spoken};
use crate::report::{escape, numbers};

/// A row on the map.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct MapPoint<'a> {
    pub at: Point,
    /// From 0; `None` belongs to no cluster.
    pub cluster: Option<u32>,
    /// Shown under the pointer; empty for nothing.
    pub title: &'a str,
}

/// What a cluster is called, and where that stands; its place in the list is the number of the cluster.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct MapLegend<'a> {
    /// Where it finds no room, the number from 1 stands for it.
    pub name: &'a str,
    /// The place of its medoid, as the points have theirs; where there is none, no name.
    pub medoid: Option<Point>,
}

/// Classes of the hues; the grey one is left to points without a cluster. Two of the first ten clusters that have one shape
/// have hues that red-green blindness tells apart.
const HUES: [&str; 7] = ["s0", "s1", "s3", "s4", "s7", "s6", "s5"];
/// As many as have no divisor in common with the hues: 35 clusters go by before one looks like another.
const SHAPES: [Shape; 5] = [
    Shape::Circle,
    Shape::Square,
    Shape::Up,
    Shape::Diamond,
    Shape::Down,
];
const MARGIN: f64 = 24.0;
/// Share of the height that is kept where points lie in a row.
const LOWEST: f64 = 0.4;
/// Radius of a point where there are few.
const LARGEST: f64 = 4.5;
const SMALLEST: f64 = 2.2;
/// What tooltips may weigh together, in bytes, and what the shortest and the longest may.
const TITLES: usize = 500_000;
const SHORTEST_TITLE: usize = 24;
const LONGEST_TITLE: usize = 400;
/// What a point weighs beside the text of its title.
const TITLE_MARKUP: usize = 23;
/// Letters of a name, at most.
const LETTERS: usize = 36;
/// Height of a line of text.
const LINE: f64 = 17.0;
/// Radius of the mark at a medoid.
const MEDOID: f64 = 6.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Circle,
    Square,
    Up,
    Diamond,
    Down,
}

/// Draws the points, small clusters above large ones, and names the clusters; lower than `size` where the points are.
pub(in crate::report) fn map(
    points: &[MapPoint<'_>],
    clusters: &[MapLegend<'_>],
    size: (f64, f64),
    message: &str,
) -> String {
    let seen: Vec<&MapPoint> = (points.iter())
        .filter(|point| point.at.0.is_finite() && point.at.1.is_finite())
        .collect();
    let view = View::of(&seen, size);
    let mut canvas = Canvas::new(view.size.0, view.size.1);
    let _ = write!(canvas.body, "<desc>{}</desc>", described(&seen));
    let area = view.size.0 * view.size.1 / seen.len().max(1) as f64;
    let radius = (0.24 * area.sqrt()).clamp(SMALLEST, LARGEST);
    let n_titles = (seen.iter())
        .filter(|point| !point.title.is_empty())
        .count();
    let room = (TITLES / n_titles.max(1)).saturating_sub(TITLE_MARKUP);
    for (cluster, members) in groups(&seen) {
        let (shape, radius) = (shape(cluster), size_of(cluster, radius));
        let opacity = if cluster.is_some() { 0.7 } else { 0.5 };
        open_group(&mut canvas.body, cluster, radius, opacity);
        for member in members {
            mark(&mut canvas.body, shape, view.place(member.at), radius);
            if member.title.is_empty() || room < SHORTEST_TITLE {
                canvas.body.push_str("/>");
            } else {
                let title = fitted(member.title, room.min(LONGEST_TITLE));
                let _ = write!(canvas.body, "><title>{title}</title></path>");
            }
        }
        canvas.body.push_str("</g>");
    }
    name_clusters(&mut canvas, clusters, &view);
    wide(canvas, message)
}

/// The mark of a cluster, to stand in a legend or a heading.
pub(in crate::report) fn swatch(cluster: Option<u32>) -> String {
    let side = 14.0;
    let (mut body, radius) = (String::new(), size_of(cluster, LARGEST));
    open_group(&mut body, cluster, radius, 1.0);
    mark(&mut body, shape(cluster), (side / 2.0, side / 2.0), radius);
    format!(
        r#"<svg class="swatch" width="{side}" height="{side}" viewBox="0 0 {side} {side}" aria-hidden="true">{body}/></g></svg>"#
    )
}

/// A drawing that is read at its own width, wider than other charts.
pub(super) fn wide(canvas: Canvas, message: &str) -> String {
    format!(
        r#"<svg class="chart" style="max-width:{w}px" viewBox="0 0 {w} {h}" role="img" aria-label="{}">{}</svg>"#,
        spoken(message),
        canvas.body,
        w = short(canvas.width),
        h = short(canvas.height),
    )
}

fn described(seen: &[&MapPoint<'_>]) -> String {
    let mut found: Vec<u32> = seen.iter().filter_map(|point| point.cluster).collect();
    let outside = seen.len() - found.len();
    found.sort_unstable();
    found.dedup();
    format!(
        "{} in {}, {} outside of all",
        numbers::counted(seen.len() as u64, "point", "points"),
        numbers::counted(found.len() as u64, "cluster", "clusters"),
        numbers::count(outside as u64),
    )
}

/// Points by cluster: those without one first, then the largest cluster.
fn groups<'a, 'b>(seen: &[&'a MapPoint<'b>]) -> Vec<(Option<u32>, Vec<&'a MapPoint<'b>>)> {
    let mut sorted = seen.to_vec();
    sorted.sort_by_key(|point| point.cluster);
    let mut groups: Vec<(Option<u32>, Vec<&MapPoint>)> = sorted
        .chunk_by(|a, b| a.cluster == b.cluster)
        .map(|members| (members[0].cluster, members.to_vec()))
        .collect();
    groups.sort_by_key(|(cluster, members)| {
        (
            cluster.is_some(),
            std::cmp::Reverse(members.len()),
            *cluster,
        )
    });
    groups
}

fn shape(cluster: Option<u32>) -> Shape {
    cluster.map_or(Shape::Circle, |at| SHAPES[at as usize % SHAPES.len()])
}

/// Points without a cluster stand back.
fn size_of(cluster: Option<u32>, radius: f64) -> f64 {
    match cluster {
        Some(_) => radius,
        None => (0.55 * radius).max(1.3),
    }
}

/// The group that gives its paths shape, colour and size: circles and squares are the ends of lines of no length.
fn open_group(body: &mut String, cluster: Option<u32>, radius: f64, opacity: f64) {
    let hue = cluster.map_or("s2", |at| HUES[at as usize % HUES.len()]);
    let _ = match shape(cluster) {
        Shape::Circle => write!(
            body,
            r#"<g class="{hue}" stroke="var(--c)" stroke-width="{}" stroke-linecap="round" stroke-opacity="{opacity}">"#,
            short(2.0 * radius)
        ),
        Shape::Square => write!(
            body,
            r#"<g class="{hue}" stroke="var(--c)" stroke-width="{}" stroke-linecap="square" stroke-opacity="{opacity}">"#,
            short(1.76 * radius)
        ),
        _ => write!(
            body,
            r#"<g class="{hue}" fill="var(--c)" fill-opacity="{opacity}">"#
        ),
    };
}

/// A path up to its end; of about equal areas, whatever the shape.
fn mark(body: &mut String, shape: Shape, (x, y): Point, radius: f64) {
    let (half, tall) = (1.3 * radius, 2.3 * radius);
    let (wide, long) = (short(2.0 * half), short(tall));
    let half_text = short(half);
    let _ = match shape {
        Shape::Circle | Shape::Square => {
            write!(body, r#"<path d="M{} {}h0""#, short(x), short(y))
        }
        Shape::Up => write!(
            body,
            r#"<path d="M{} {}l{half_text} {long}h-{wide}z""#,
            short(x),
            short(y - 0.6 * tall)
        ),
        Shape::Down => write!(
            body,
            r#"<path d="M{} {}l-{half_text}-{long}h{wide}z""#,
            short(x),
            short(y + 0.6 * tall)
        ),
        Shape::Diamond => write!(
            body,
            r#"<path d="M{} {}l{half_text} {half_text}l-{half_text} {half_text}l-{half_text}-{half_text}z""#,
            short(x),
            short(y - half)
        ),
    };
}

/// From the plane to the drawing: one scale for both axes, in the middle.
struct View {
    from: Point,
    size: Point,
    scale: f64,
}

impl View {
    fn of(seen: &[&MapPoint<'_>], (width, height): (f64, f64)) -> View {
        let x = scale::extent(seen.iter().map(|point| point.at.0)).unwrap_or((0.0, 0.0));
        let y = scale::extent(seen.iter().map(|point| point.at.1)).unwrap_or((0.0, 0.0));
        // Halves first: the whole range of f64 may be there.
        let half = |(low, high): (f64, f64)| high / 2.0 - low / 2.0;
        let fits = |range: (f64, f64), room: f64| (room / 2.0 - MARGIN).max(1.0) / half(range);
        let scale = fits(x, width).min(fits(y, height));
        let scale = if scale.is_finite() { scale } else { 0.0 };
        let needed = 2.0 * (half(y) * scale + MARGIN);
        View {
            from: (x.0 + half(x), y.0 + half(y)),
            size: (width, needed.max(LOWEST * height).min(height).round()),
            scale,
        }
    }

    fn place(&self, at: Point) -> Point {
        (
            self.size.0 / 2.0 + (at.0 - self.from.0) * self.scale,
            self.size.1 / 2.0 - (at.1 - self.from.1) * self.scale,
        )
    }
}

/// Marks at the medoids, and names beside them where that is free; else the number, from 1.
fn name_clusters(canvas: &mut Canvas, clusters: &[MapLegend<'_>], view: &View) {
    let medoids: Vec<(usize, Point)> = (clusters.iter().enumerate())
        .filter_map(|(at, legend)| Some((at, view.place(legend.medoid?))))
        .filter(|(_, place)| place.0.is_finite() && place.1.is_finite())
        .collect();
    let around = |(x, y): Point| (x - MEDOID, y - MEDOID, x + MEDOID, y + MEDOID);
    let mut taken: Vec<Area> = medoids.iter().map(|(_, place)| around(*place)).collect();
    let mut texts: Vec<(Point, String)> = Vec::new();
    for &(at, medoid) in &medoids {
        let number = (at + 1).to_string();
        let name = escape::shorten(clusters[at].name, LETTERS);
        let name = Some(name).filter(|name| !name.is_empty());
        for text in name.into_iter().chain([number]) {
            let (size, whole) = ((canvas.width, canvas.height), width_of(&text));
            if let Some(place) = free(medoid, whole / 2.0, size, &taken) {
                taken.push(line_at(place, whole / 2.0));
                texts.push((place, text));
                break;
            }
        }
    }
    for &(at, medoid) in &medoids {
        draw_medoid(canvas, at as u32, medoid);
    }
    // A rim in the colour of the page keeps names legible over points.
    canvas.body.push_str(
        r#"<g stroke="var(--page)" stroke-width="3.5" stroke-linejoin="round" paint-order="stroke" pointer-events="none">"#,
    );
    for ((x, y), text) in texts {
        canvas.text("label", (x, y + 4.5), Anchor::Middle, &text);
    }
    canvas.body.push_str("</g>");
}

/// The first place beside a medoid where a text of this half width is within the drawing and on nothing that is taken.
fn free(medoid: Point, half: f64, size: (f64, f64), taken: &[Area]) -> Option<Point> {
    let (x, y) = medoid;
    let (near, aside) = (15.0, half + 10.0);
    // Straight above and below, at the sides, then aslant.
    let shifts = [0.0, 0.5 * half, -0.5 * half, half, -half];
    let rows = shifts.map(|shift| [(x + shift, y - near), (x + shift, y + near)]);
    let places = (rows.into_iter().take(1).flatten())
        .chain([(x + aside, y), (x - aside, y)])
        .chain(rows.into_iter().skip(1).flatten());
    places.into_iter().find(|place| {
        let text = line_at(*place, half);
        let is_inside = text.0 >= 0.0 && text.1 >= 0.0 && text.2 <= size.0 && text.3 <= size.1;
        is_inside && taken.iter().all(|other| !meet(text, *other))
    })
}

/// The cluster's mark, large and with a rim.
fn draw_medoid(canvas: &mut Canvas, cluster: u32, (x, y): Point) {
    let class = format!("dot {}", HUES[cluster as usize % HUES.len()]);
    let (half, tall) = (1.1 * MEDOID, 2.0 * MEDOID);
    match shape(Some(cluster)) {
        Shape::Circle => canvas.circle(&class, (x, y), MEDOID, None),
        Shape::Square => {
            let side = 1.8 * MEDOID;
            let corner = Rect {
                x: x - side / 2.0,
                y: y - side / 2.0,
                width: side,
                height: side,
            };
            canvas.rect(&class, corner, None);
        }
        Shape::Diamond => {
            let half = 1.25 * MEDOID;
            let corners = [(x, y - half), (x + half, y), (x, y + half), (x - half, y)];
            canvas.area(&class, &corners);
        }
        Shape::Up => {
            let (top, foot) = (y - 0.6 * tall, y + 0.4 * tall);
            canvas.area(&class, &[(x, top), (x + half, foot), (x - half, foot)]);
        }
        Shape::Down => {
            let (foot, top) = (y + 0.6 * tall, y - 0.4 * tall);
            canvas.area(&class, &[(x, foot), (x - half, top), (x + half, top)]);
        }
    }
}

/// Left, top, right, bottom.
type Area = (f64, f64, f64, f64);

fn meet(a: Area, b: Area) -> bool {
    a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
}

/// Where a line of text is.
fn line_at((x, y): Point, half: f64) -> Area {
    (x - half, y - LINE / 2.0, x + half, y + LINE / 2.0)
}

/// About how wide a name is drawn: narrow for Latin letters, a square beyond.
fn width_of(name: &str) -> f64 {
    let wide = |c: char| if c < '\u{1100}' { 7.4 } else { 13.0 };
    4.0 + name.chars().map(wide).sum::<f64>()
}

/// Escaped, and cut to so many bytes.
fn fitted(text: &str, room: usize) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let escaped = escape::html(c.encode_utf8(&mut [0; 4]));
        if out.len() + escaped.len() + '…'.len_utf8() > room {
            out.push('…');
            break;
        }
        out.push_str(&escaped);
    }
    out
}

/// At most one decimal.
fn short(value: f64) -> String {
    let Some((text, _)) = place(((value * 10.0).round() / 10.0, 0.0)) else {
        return "0".to_string();
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (f64, f64) = (760.0, 540.0);

    fn point(x: f64, y: f64, cluster: Option<u32>, title: &str) -> MapPoint<'_> {
        MapPoint {
            at: (x, y),
            cluster,
            title,
        }
    }

    #[test]
    fn every_point_is_drawn_once_and_small_clusters_last() {
        let mut points = vec![
            point(0.0, 0.0, Some(1), "few"),
            point(0.5, 0.1, None, "none"),
        ];
        points.extend((0..5).map(|i| point(f64::from(i), 1.0, Some(0), "many")));
        points.push(point(f64::NAN, 1.0, Some(0), "lost"));
        points.push(point(9.0, 1.0, Some(6), ""));
        let drawn = map(&points, &[], SIZE, "m");
        assert_eq!(drawn.matches("<path").count(), 8);
        assert_eq!(drawn.matches("<title>").count(), 7);
        assert!(!drawn.contains("lost"));
        let at = |text: &str| drawn.find(text).unwrap_or(usize::MAX);
        assert!(at("none") < at("many") && at("many") < at("few"));
        assert!(drawn.contains("<desc>8 points in 3 clusters, 1 outside of all</desc>"));
    }

    #[test]
    fn texts_are_escaped_everywhere() {
        let evil = "</title><script>\"'&\u{202E}";
        let legend = MapLegend {
            name: evil,
            medoid: Some((0.0, 0.0)),
        };
        let drawn = map(&[point(0.0, 0.0, Some(0), evil)], &[legend], SIZE, evil);
        assert!(!drawn.contains("<script") && !drawn.contains('\u{202E}'));
        assert_eq!(drawn.matches("&lt;script&gt;").count(), 3);
    }

    #[test]
    fn five_thousand_points_with_long_titles_stay_light() {
        let title = "row 123, <name> & \"others\" äöü 漢字漢字漢字 ".repeat(9);
        let place = |i: u32| f64::from(i.wrapping_mul(2_654_435_761) >> 8) / 7.0;
        let points: Vec<MapPoint> = (0..5000)
            .map(|i| point(place(i), place(i + 9999), Some(i % 40), &title))
            .collect();
        let drawn = map(&points, &[], SIZE, "m");
        assert!(drawn.len() < 700_000, "{}", drawn.len());
        assert_eq!(drawn.matches("<title>row 123, &lt;name&gt; ").count(), 5000);
        let bare: Vec<MapPoint> = points
            .iter()
            .map(|p| MapPoint { title: "", ..*p })
            .collect();
        let drawn = map(&bare, &[], SIZE, "m");
        assert!(drawn.len() < 300_000, "{}", drawn.len());
        assert!(!drawn.contains("<title>"));
    }

    #[test]
    fn both_axes_have_one_scale_and_all_points_room() {
        let corners = [(-3.0, 1e6), (97.0, 1e6 + 10.0), (40.0, 1e6 + 5.0)];
        let points = corners.map(|(x, y)| point(x, y, None, ""));
        let seen: Vec<&MapPoint> = points.iter().collect();
        let view = View::of(&seen, SIZE);
        let [a, b, c] = corners.map(|at| view.place(at));
        assert!((a.0 - MARGIN).abs() < 1e-9 && (b.0 - (SIZE.0 - MARGIN)).abs() < 1e-9);
        assert!(((b.0 - a.0) / 100.0 - (a.1 - b.1) / 10.0).abs() < 1e-9);
        assert!((c.1 - LOWEST * SIZE.1 / 2.0).abs() < 1e-9);
        let drawn = map(&points, &[], SIZE, "m");
        assert!(drawn.contains(r#"viewBox="0 0 760 216""#), "{drawn}");
        let tall = [(0.0, -3.0), (1.0, 97.0)].map(|(x, y)| point(x, y, None, ""));
        assert!(map(&tall, &[], SIZE, "m").contains(r#"viewBox="0 0 760 540""#));
    }

    #[test]
    fn odd_places_are_drawn() {
        for places in [
            vec![],
            vec![(1.0, 1.0)],
            vec![(2.0, 2.0); 3],
            vec![(f64::MAX, 0.0), (f64::MIN, 1.0)],
            vec![(1e-300, 0.0), (0.0, 0.0)],
        ] {
            let points: Vec<MapPoint> = (places.iter())
                .map(|&(x, y)| point(x, y, Some(0), ""))
                .collect();
            let legend = MapLegend {
                name: "a",
                medoid: places.first().copied(),
            };
            let drawn = map(&points, &[legend], SIZE, "m");
            assert!(drawn.ends_with("</svg>") && !drawn.contains("NaN") && !drawn.contains("inf"));
            assert_eq!(drawn.matches("<path").count(), places.len());
        }
    }

    #[test]
    fn thirty_five_clusters_look_different() {
        let looks: std::collections::BTreeSet<String> = (0..35).map(|c| swatch(Some(c))).collect();
        assert_eq!(looks.len(), 35);
        assert_eq!(swatch(Some(35)), swatch(Some(0)));
        assert!((0..35).all(|c| swatch(Some(c)) != swatch(None)));
        assert!(!HUES.contains(&"s2"));
    }

    #[test]
    fn names_do_not_lie_on_each_other() {
        let places: Vec<Point> = (0..14)
            .map(|i| (f64::from(i), f64::from(i % 3) * 2.0))
            .collect();
        let clusters: Vec<MapLegend> = (places.iter())
            .map(|place| MapLegend {
                name: "4 · of a longer name",
                medoid: Some(*place),
            })
            .collect();
        // The outermost points lie so far away that the medoids are near each other.
        let points = [point(-20.0, -15.0, None, ""), point(34.0, 20.0, None, "")];
        let drawn = map(&points, &clusters, SIZE, "m");
        let mut boxes: Vec<Area> = Vec::new();
        for text in drawn.split("<text class=\"label\" x=\"").skip(1) {
            let parts: Vec<&str> = text.split(['"', '>', '<']).collect();
            let number = |at: usize| -> f64 { parts[at].parse().unwrap_or(f64::NAN) };
            // x, its end, y, its end, the anchor and its ends, the text.
            boxes.push(line_at(
                (number(0), number(2) - 4.5),
                width_of(parts[6]) / 2.0,
            ));
        }
        let n_whole = drawn.matches("4 · of a longer name</text>").count();
        assert!((1..14).contains(&n_whole), "{n_whole}");
        assert!(
            boxes.len() > n_whole,
            "numbers stand where names find no room"
        );
        for (i, a) in boxes.iter().enumerate() {
            assert!(a.0 > -1.0 && a.2 < SIZE.0 + 1.0, "{a:?}");
            let inner = (a.0 + 0.1, a.1 + 0.1, a.2 - 0.1, a.3 - 0.1);
            assert!(boxes[..i].iter().all(|b| !meet(inner, *b)), "{a:?}");
        }
    }
}
