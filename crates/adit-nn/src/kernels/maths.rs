//! Exponential, error function, hyperbolic tangent and sine for loops that the compiler vectorises.
//!
//! They use only `+`, `*`, `/`, fused multiply-add and integer moves, so every machine gives the same bits.

/// eˣ with a relative error below 2e-7; 0 below -87.3, and held at the largest exponent above 88.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0; // 1.5 · 2²³ rounds a small float to an integer when added
    let clamped = x.clamp(-87.33, 88.0);
    let shifted = clamped.mul_add(std::f32::consts::LOG2_E, MAGIC);
    let n = shifted - MAGIC;
    let r = n.mul_add(-0.693_359_4, clamped);
    let r = n.mul_add(2.121_944_4e-4, r);
    // Cephes expf: a polynomial on [-ln2/2, ln2/2].
    let mut p = 1.987_569_1e-4f32;
    p = p.mul_add(r, 1.398_199_9e-3);
    p = p.mul_add(r, 8.333_452e-3);
    p = p.mul_add(r, 4.166_579_6e-2);
    p = p.mul_add(r, 1.666_666_5e-1);
    p = p.mul_add(r, 0.5);
    let y = (p * r).mul_add(r, r) + 1.0;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    let value = y * power;
    // NaN passes through: `clamp` keeps it and so does every product.
    if x < -87.33 { 0.0 } else { value }
}

/// 2ˣ within 3e-6 of itself, at half the cost of [`exp`]: for values that were rounded further than that.
///
/// x must not lie above 126; below -126 it is 2⁻¹²⁶, or zero from -150 on.
#[inline(always)]
pub fn exp2_near(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0; // as in `exp`
    // NaN passes through.
    let clamped = if x < -126.0 { -126.0 } else { x };
    let shifted = clamped + MAGIC;
    let r = clamped - (shifted - MAGIC);
    // A polynomial of minimal largest error on [-1/2, 1/2].
    let mut p = 9.570_102e-3f32;
    p = p.mul_add(r, 5.591_786_3e-2);
    p = p.mul_add(r, 2.402_474_4e-1);
    p = p.mul_add(r, 6.931_218e-1);
    p = p.mul_add(r, 9.999_993e-1);
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    if x < -150.0 { 0.0 } else { p * power }
}

/// The error function and e^(-x²), together; absolute error of erf below 5e-7.
///
/// Abramowitz and Stegun, 7.1.26.
#[inline(always)]
pub fn erf_and_bell(x: f32) -> (f32, f32) {
    let a = x.abs();
    let bell = exp(-(a * a));
    let t = 1.0 / a.mul_add(0.327_591_1, 1.0);
    let mut p = 1.061_405_4f32;
    p = p.mul_add(t, -1.453_152);
    p = p.mul_add(t, 1.421_413_7);
    p = p.mul_add(t, -0.284_496_74);
    p = p.mul_add(t, 0.254_829_6);
    let positive = 1.0 - p * t * bell;
    (positive.copysign(x), bell)
}

/// GELU in its exact form, x·Φ(x) (Hendrycks and Gimpel, 2016).
#[inline(always)]
pub fn gelu(x: f32) -> f32 {
    let (erf, _) = erf_and_bell(x * std::f32::consts::FRAC_1_SQRT_2);
    0.5 * x * (1.0 + erf)
}

/// [`gelu`] within 5e-5, at a third of its cost: for inputs that were rounded further than that.
///
/// A polynomial of minimal largest error for erf(x/√2) / x in x², on |x| ≤ 4.5, scaled so that it ends at 1.
#[inline(always)]
pub fn gelu_near(x: f32) -> f32 {
    const SCALE: f32 = 1.000_014;
    let z = x.clamp(-4.5, 4.5);
    let t = z * z;
    let mut p = -2.800_134_5e-12f32;
    p = p.mul_add(t, 3.394_607_4e-10);
    p = p.mul_add(t, -1.838_749_8e-8);
    p = p.mul_add(t, 5.917_797e-7);
    p = p.mul_add(t, -1.273_051_2e-5);
    p = p.mul_add(t, 1.957_427_3e-4);
    p = p.mul_add(t, -2.245_357e-3);
    p = p.mul_add(t, 1.966_637e-2);
    p = p.mul_add(t, -1.326_741_1e-1);
    p = p.mul_add(t, 7.977_676e-1);
    let erf = (z * p * SCALE).clamp(-1.0, 1.0);
    (0.5 * x).mul_add(erf, 0.5 * x)
}

/// The derivative of [`gelu`]: Φ(x) + x·φ(x).
#[inline(always)]
pub fn gelu_slope(x: f32) -> f32 {
    let (erf, bell) = erf_and_bell(x * std::f32::consts::FRAC_1_SQRT_2);
    (x * 0.398_942_3).mul_add(bell, 0.5 * (1.0 + erf))
}

/// √(2/π).
const TANH_RATE: f32 = 0.797_884_6;

/// GELU with a hyperbolic tangent in place of Φ (Hendrycks and Gimpel, 2016; BERT's first code).
#[inline(always)]
pub fn gelu_tanh(x: f32) -> f32 {
    let inner = TANH_RATE * x * (0.044_715 * x).mul_add(x, 1.0);
    0.5 * x * (1.0 + tanh(inner))
}

/// The derivative of [`gelu_tanh`].
#[inline(always)]
pub fn gelu_tanh_slope(x: f32) -> f32 {
    // Further out the slope is 0 or 1, and the square of x could leave the range.
    let x = x.clamp(-64.0, 64.0);
    let t = tanh(TANH_RATE * x * (0.044_715 * x).mul_add(x, 1.0));
    let inner_slope = TANH_RATE * (0.134_145 * x).mul_add(x, 1.0);
    (0.5 * x * (1.0 - t * t)).mul_add(inner_slope, 0.5 * (1.0 + t))
}

/// The hyperbolic tangent; absolute error below 2e-7.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let a = x.abs();
    let e = exp(-2.0 * a);
    let large = (1.0 - e) / (1.0 + e);
    // Near zero the difference above loses digits; the series does not.
    let s = a * a;
    let small = a * s.mul_add(
        s.mul_add(s.mul_add(-17.0 / 315.0, 2.0 / 15.0), -1.0 / 3.0),
        1.0,
    );
    (if a < 0.15 { small } else { large }).copysign(x)
}

/// The sine and the cosine of `turns` whole turns (of 2π each); absolute error below 3e-7 plus that of
/// `turns` itself. NaN for infinite ones.
#[inline(always)]
pub fn sin_cos_turns(turns: f32) -> (f32, f32) {
    let part = turns - turns.round();
    let cosine = part.abs() - 0.25;
    (sin_quarter(part), -sin_quarter(cosine))
}

/// The sine of `part` turns between -1/2 and 1/2.
#[inline(always)]
fn sin_quarter(part: f32) -> f32 {
    // Folded at a quarter, where the sine is its own mirror image.
    let folded = if part.abs() > 0.25 {
        0.5f32.copysign(part) - part
    } else {
        part
    };
    let x = folded * std::f32::consts::TAU;
    let s = x * x;
    // The Taylor series to x¹¹; its rest is below 6e-8 at a quarter.
    let mut p = -2.505_210_8e-8f32;
    p = p.mul_add(s, 2.755_732e-6);
    p = p.mul_add(s, -1.984_127e-4);
    p = p.mul_add(s, 8.333_333e-3);
    p = p.mul_add(s, -1.666_666_7e-1);
    (p * s).mul_add(x, x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sines_and_cosines_are_within_three_units_of_ten_to_the_minus_seven() {
        for at in -4000..=4000 {
            let turns = at as f32 / 1024.0;
            let angle = f64::from(turns) * std::f64::consts::TAU;
            let (sine, cosine) = sin_cos_turns(turns);
            assert!(
                (f64::from(sine) - angle.sin()).abs() < 3e-7,
                "{turns}: {sine}"
            );
            assert!(
                (f64::from(cosine) - angle.cos()).abs() < 3e-7,
                "{turns}: {cosine}"
            );
        }
        assert!(sin_cos_turns(f32::INFINITY).0.is_nan());
        assert!(sin_cos_turns(f32::NAN).1.is_nan());
    }

    /// Under Miri, which is slow, some of the places.
    const STRIDE: usize = if cfg!(miri) { 1009 } else { 1 };

    /// The error function by its series, or by its continued fraction far out, in f64.
    fn erf_oracle(x: f64) -> f64 {
        let a = x.abs();
        let value = if a < 3.0 {
            let (mut term, mut sum, mut n) = (a, a, 0.0);
            while term.abs() > 1e-18 * sum.abs() && n < 200.0 {
                n += 1.0;
                term *= -a * a / n;
                sum += term / (2.0 * n + 1.0);
            }
            sum * 2.0 / std::f64::consts::PI.sqrt()
        } else {
            let mut fraction = 0.0;
            for k in (1..60).rev() {
                fraction = f64::from(k) / 2.0 / (a + fraction);
            }
            1.0 - (-a * a).exp() / std::f64::consts::PI.sqrt() / (a + fraction)
        };
        value.copysign(x)
    }

    fn grid() -> impl Iterator<Item = f32> {
        let places = (-60_000..=60_000).step_by(STRIDE);
        places.map(|i| i as f32 * 1e-4 * 1.7)
    }

    #[test]
    fn exp_is_within_two_units_of_ten_to_the_minus_seven() {
        for i in (-87_000..=87_000).step_by(STRIDE) {
            let x = i as f32 * 1e-3;
            let want = f64::from(x).exp();
            assert!((f64::from(exp(x)) / want - 1.0).abs() < 2e-7, "exp({x})");
        }
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn erf_is_within_one_millionth() {
        for x in grid() {
            let got = f64::from(erf_and_bell(x).0);
            assert!(
                (got - erf_oracle(f64::from(x))).abs() < 5e-7,
                "erf({x}) = {got}"
            );
        }
    }

    #[test]
    fn gelu_and_its_slope_are_within_a_millionth() {
        for x in grid() {
            let v = f64::from(x);
            let cdf = 0.5 * (1.0 + erf_oracle(v / 2f64.sqrt()));
            let pdf = (-0.5 * v * v).exp() / (2.0 * std::f64::consts::PI).sqrt();
            assert!((f64::from(gelu(x)) - v * cdf).abs() < 1.5e-6, "gelu({x})");
            assert!(
                (f64::from(gelu_slope(x)) - (cdf + v * pdf)).abs() < 1e-6,
                "gelu'({x})"
            );
        }
    }

    #[test]
    fn gelu_with_tanh_and_its_slope_are_within_a_millionth() {
        for x in grid() {
            let v = f64::from(x);
            let rate = (2.0 / std::f64::consts::PI).sqrt();
            let t = (rate * (v + 0.044715 * v.powi(3))).tanh();
            let slope =
                0.5 * (1.0 + t) + 0.5 * v * (1.0 - t * t) * rate * (1.0 + 3.0 * 0.044715 * v * v);
            let value = f64::from(gelu_tanh(x));
            assert!(
                (value - 0.5 * v * (1.0 + t)).abs() < 1e-6,
                "gelu_tanh({x}) = {value}"
            );
            let found = f64::from(gelu_tanh_slope(x));
            assert!((found - slope).abs() < 2e-6, "gelu_tanh'({x}) = {found}");
        }
    }

    #[test]
    fn powers_of_two_nearby_are_within_three_millionths() {
        for at in (-2500..2500).step_by(STRIDE / 20 + 1) {
            let x = at as f32 * 0.05;
            let (found, want) = (f64::from(exp2_near(x)), f64::from(x).exp2());
            assert!(
                (found / want - 1.0).abs() < 3e-6,
                "2^{x} = {found}, not {want}"
            );
        }
        assert_eq!(exp2_near(f32::NEG_INFINITY), 0.0);
    }

    #[test]
    fn gelu_near_is_within_five_units_of_ten_to_the_minus_five() {
        for x in grid().chain([-1e3, -30.0, 30.0, 1e3]) {
            let v = f64::from(x);
            let want = 0.5 * v * (1.0 + erf_oracle(v / 2f64.sqrt()));
            let found = f64::from(gelu_near(x));
            assert!(
                (found - want).abs() < 5e-5,
                "gelu_near({x}) = {found}, not {want}"
            );
        }
        assert!(gelu_near(f32::NAN).is_nan());
    }

    #[test]
    fn the_tanh_form_and_its_slope_are_within_a_millionth() {
        for i in (-60_000..=60_000).step_by(STRIDE) {
            let x = i as f32 * 1.7e-4;
            let v = f64::from(x);
            let root = (2.0 / std::f64::consts::PI).sqrt();
            let t = (root * (v + 0.044715 * v.powi(3))).tanh();
            let want = 0.5 * v * (1.0 + t);
            let inner = root * (1.0 + 3.0 * 0.044715 * v * v);
            let slope = 0.5 * (1.0 + t) + 0.5 * v * (1.0 - t * t) * inner;
            assert!((f64::from(gelu_tanh(x)) - want).abs() < 1.5e-6, "gelu({x})");
            let got = f64::from(gelu_tanh_slope(x));
            assert!((got - slope).abs() < 2e-6, "gelu'({x}): {got} {slope}");
        }
    }

    #[test]
    fn tanh_is_within_two_units_of_ten_to_the_minus_seven() {
        for x in grid() {
            assert!(
                (f64::from(tanh(x)) - f64::from(x).tanh()).abs() < 2e-7,
                "tanh({x})"
            );
        }
    }
}
