// sim.network.learn in C++: the same layout, noise and operations; delay 1, mean square error, nothing recorded.
// A second kind of noise is Box–Muller in doubles, two 64-bit words for two normals.
//
// Eight members side by side in one vector, arrays (rows, 8). NODES: how many nodes or patterns share a loop, and so
// how many sums are under way at once. HIDDEN, OUTPUTS and PATTERNS may be defined to have them known while compiling.

#include <cstdlib>

#include "vectors.hpp"

struct Network {
    long inputs, hidden, outputs, patterns;
    const long *active, *first; // as in sim.network.Patterns
    const double *target;       // (pattern, output)
};

struct Learning {
    double eta, sigma, robust_eta, robust_sigma, threshold;
    uint64_t seed;
};

#ifdef HIDDEN
static inline long hidden(const Network &) { return HIDDEN; }
static inline long outputs(const Network &) { return OUTPUTS; }
static inline long patterns(const Network &) { return PATTERNS; }
#else
static inline long hidden(const Network &network) { return network.hidden; }
static inline long outputs(const Network &network) { return network.outputs; }
static inline long patterns(const Network &network) { return network.patterns; }
#endif
static inline long before_outputs(const Network &network) { return hidden(network) * (network.inputs + 1); }
static inline long connections(const Network &network) {
    return before_outputs(network) + outputs(network) * (hidden(network) + 1);
}

// --- elementary functions: sim.elementary ---------------------------------------------------------------------

// x ← 1 / (1 + exp(−x)), COUNT of them in step: each is a long chain of operations that wait for one another.
template <int COUNT> static inline void logistic(V (&x)[COUNT]) {
    constexpr double EXP[] = {1.0, 1.0, 0.5000000000000019, 0.1666666666666668, 0.0416666666664881,
                              0.008333333333319601, 0.0013888888952314775, 0.00019841269890047113,
                              2.4801485482328494e-05, 2.755724091857897e-06, 2.763263963904103e-07,
                              2.5110037605963777e-08};
    constexpr double ROUND = 6755399441055744.0;
    V shifted[COUNT], rest[COUNT], power[COUNT];
    UNROLLED
    for (int a = 0; a < COUNT; a++) {
        x[a] = broadcast(0) - min(broadcast(700), max(broadcast(-700), x[a]));
        shifted[a] = fma(x[a], broadcast(1.4426950408889634), broadcast(ROUND));
        V whole = shifted[a] - broadcast(ROUND);
        rest[a] = fnma(whole, broadcast(2.3190468138462996e-17), fnma(whole, broadcast(0.6931471805599453), x[a]));
        power[a] = broadcast(EXP[11]);
    }
    UNROLLED
    for (int k = 10; k >= 0; k--) {
        UNROLLED
        for (int a = 0; a < COUNT; a++) power[a] = fma(power[a], rest[a], broadcast(EXP[k]));
    }
    UNROLLED
    for (int a = 0; a < COUNT; a++) {
        V exponential = as_floats(as_words(power[a]) + (as_words(shifted[a]) << 52));
        x[a] = broadcast(1) / (broadcast(1) + exponential);
    }
}

// --- noise: sim.noise ----------------------------------------------------------------------------------------

static inline void mix(W &x, W &y, int places) {
    x += y;
    y = rotate_left(y, places) ^ x;
}

struct Seed {
    W t0, t1, t2, t3;
};

// Threefry4x64-20
static inline Seed seed_of(uint64_t seed, W members, uint64_t iteration) {
    constexpr uint64_t PURPOSE = 1, PARITY = 0x1BD11BDAA9FC1A22;
    constexpr int ROTATIONS[8][2] = {{14, 16}, {52, 57}, {23, 40}, {5, 37}, {25, 33}, {46, 12}, {58, 22}, {32, 32}};
    const W keys[5] = {words(seed), members, words(0), words(0), words(seed ^ PARITY) ^ members};
    W x[4] = {words(iteration) + keys[0], words(PURPOSE) + keys[1], keys[2], keys[3]};
    UNROLLED
    for (int round = 0; round < 20; round++) {
        const int *places = ROTATIONS[round % 8];
        mix(x[0], x[round % 2 ? 3 : 1], places[0]);
        mix(x[2], x[round % 2 ? 1 : 3], places[1]);
        if (round % 4 == 3) {
            int injection = round / 4 + 1;
            UNROLLED
            for (int k = 0; k < 4; k++) x[k] += keys[(injection + k) % 5];
            x[3] += words(injection);
        }
    }
    return {x[0], x[1], x[2], x[3]};
}

// One step of xoshiro++ with words of one or the other size.
template <typename WORD> struct Xoshiro {
    WORD s0, s1, s2, s3;

    WORD next(int first, int shift, int second) {
        WORD word = rotate_left(s0 + s3, first) + s0, shifted = s1 << shift;
        s2 ^= s0;
        s3 ^= s1;
        s1 ^= s2;
        s0 ^= s3;
        s2 ^= shifted;
        s3 = rotate_left(s3, second);
        return word;
    }
};

// Our noise: xoshiro128++, two generators a member, four normals a turn in single precision.
struct InSingles {
    static constexpr int TURN = 4;
    Xoshiro<H> words;

    explicit InSingles(const Seed &seed) : words{split(seed.t0), split(seed.t1), split(seed.t2), split(seed.t3)} {}

    static S radius(H word) {
        constexpr float LOG[] = {-2.0000386238098145f, 0.9997227787971497f, -0.6641147136688232f,
                                 0.508743405342102f, -0.4494549632072449f, 0.29204678535461426f};
        S scaled = unsigned_to_singles(word | 1);
        H bits = as_halves(scaled), exponent = (bits - (0x3F3504F3 + (32u << 23))) & 0xFF800000;
        S x = fma(as_singles(bits - exponent), singles(0x1p-32f), singles(-1));
        return sqrt(fma(signed_to_singles(exponent), singles(-1.6525916635146132e-07f), x * horner(x, LOG)));
    }

    void next(V (&normals)[TURN]) {
        constexpr float SIN_PI[] = {3.141592502593994f, -5.1677021980285645f, 2.549957752227783f,
                                    -0.5976253747940063f, 0.07643380761146545f};
        constexpr float COS_PI[] = {0.9999999403953552f, -4.93479061126709f, 4.058358669281006f,
                                    -1.3314926624298096f, 0.21883797645568848f};
        S length = radius(words.next(7, 9, 11));
        H other = words.next(7, 9, 11);
        S v = signed_to_singles(other) * singles(0x1p-32f), square = v * v;
        widen(length * as_singles(as_halves(horner(square, COS_PI)) ^ other << 31), normals[0], normals[1]);
        widen(length * (horner(square, SIN_PI) * v), normals[2], normals[3]);
    }
};

// Noise in doubles: xoshiro256++, two normals a turn.
struct InDoubles {
    static constexpr int TURN = 2;
    Xoshiro<W> words;

    explicit InDoubles(const Seed &seed) : words{seed.t0, seed.t1, seed.t2, seed.t3} {}

    static V in_one_two(W word) { return as_floats(word >> 12 | ::words(0x3FF0000000000000)); }

    static V minus_two_log(V u) {
        constexpr double LOG[] = {-3.9999999999998943, -1.3333333335915851, -0.7999998978366476,
                                  -0.5714433229175145, -0.4434849982015498, -0.3921619127950611};
        W bits = as_words(u), above = bits - ::words(0x3FE6A09E667F3BCD);
        W biased = (above + ::words(0x4000000000000000)) >> 52;
        V exponent = as_floats(biased | ::words(0x4330000000000000)) - broadcast(4503599627370496.0 + 1024);
        V mantissa = as_floats(bits - (above & ::words(0xFFF0000000000000)));
        V t = (mantissa - broadcast(1)) / (mantissa + broadcast(1));
        return fma(exponent, broadcast(-1.3862943611198906), t * horner(t * t, LOG));
    }

    void next(V (&normals)[TURN]) {
        constexpr double SIN_PI[] = {3.141592653589635, -5.167712779987959, 2.550164035906745, -0.5992644339357286,
                                     0.08214479467064854, -0.007364005472115722, 0.0004474920849077101};
        constexpr double COS_PI[] = {0.9999999999992479, -4.93480220024985, 4.0587121075374375, -1.33526231526157,
                                     0.2353254365877112, -0.02577631642731586, 0.0018399894372694043};
        W word = words.next(23, 17, 45), other = words.next(23, 17, 45);
        V length = sqrt(minus_two_log(broadcast(2) - in_one_two(word)));
        V v = in_one_two(other) - broadcast(1.5), square = v * v;
        normals[0] = length * as_floats(as_words(horner(square, COS_PI)) ^ other << 63);
        normals[1] = length * (horner(square, SIN_PI) * v);
    }
};

// --- one evaluation ------------------------------------------------------------------------------------------

// x_h of every pattern for NODES hidden nodes. weights: of the first of them; x: its row.
template <int NODES> static inline void states_of_nodes(const Network &network, const V *weights, V *x) {
    const long stride = network.inputs + 1, count = patterns(network);
    for (long q = 0; q < count; q++) {
        V sum[NODES];
        UNROLLED
        for (int a = 0; a < NODES; a++) sum[a] = weights[a * stride + network.inputs];
        for (long k = network.first[q]; k < network.first[q + 1]; k++) {
            const V *active = weights + network.active[k];
            UNROLLED
            for (int a = 0; a < NODES; a++) sum[a] = sum[a] + active[a * stride];
        }
        logistic(sum);
        UNROLLED
        for (int a = 0; a < NODES; a++) x[a * count + q] = sum[a];
    }
}

template <int NODES> static inline void hidden_states(const Network &network, const V *weights, V *x) {
    const long stride = network.inputs + 1, count = patterns(network);
    long h = 0;
    for (; h + NODES <= hidden(network); h += NODES)
        states_of_nodes<NODES>(network, weights + h * stride, x + h * count);
    for (; h < hidden(network); h++) states_of_nodes<1>(network, weights + h * stride, x + h * count);
}

// Σ (ψ − f(sum))² of output o for COUNT patterns from q on, added to total.
template <int COUNT>
static inline void add_deviations(const Network &network, V (&sum)[COUNT], long o, long q, V &total) {
    logistic(sum);
    UNROLLED
    for (int a = 0; a < COUNT; a++) {
        V deviation = sum[a] - broadcast(network.target[(q + a) * outputs(network) + o]);
        total = fma(deviation, deviation, total);
    }
}

// The sums, kept unless `sums` is null, and deviations of output o for COUNT patterns from q on.
template <int COUNT>
static inline void add_outputs(const Network &network, const V *weights, const V *x, long o, long q, V *sums,
                               V &total) {
    const long count = patterns(network), nodes = hidden(network);
    const V *row = weights + before_outputs(network) + o * (nodes + 1);
    V sum[COUNT];
    UNROLLED
    for (int a = 0; a < COUNT; a++) sum[a] = row[nodes];
    for (long h = 0; h < nodes; h++) {
        UNROLLED
        for (int a = 0; a < COUNT; a++) sum[a] = fma(row[h], x[h * count + q + a], sum[a]);
    }
    if (sums) {
        UNROLLED
        for (int a = 0; a < COUNT; a++) sums[o * count + q + a] = sum[a];
    }
    add_deviations(network, sum, o, q, total);
}

template <int NODES> static inline V error_of(const Network &network, const V *weights, const V *x, V *sums) {
    V total = broadcast(0);
    for (long o = 0; o < outputs(network); o++) {
        long q = 0;
        for (; q + NODES <= patterns(network); q += NODES)
            add_outputs<NODES>(network, weights, x, o, q, sums, total);
        for (; q < patterns(network); q++) add_outputs<1>(network, weights, x, o, q, sums, total);
    }
    return total * broadcast(1.0 / (patterns(network) * outputs(network)));
}

// As add_outputs, with hidden node k deleted.
template <int COUNT>
static inline void add_damaged(const Network &network, V weight, const V *x, const V *sums, long k, long o, long q,
                               V &total) {
    const long count = patterns(network);
    V sum[COUNT];
    UNROLLED
    for (int a = 0; a < COUNT; a++) sum[a] = fnma(weight, x[k * count + q + a], sums[o * count + q + a]);
    add_deviations(network, sum, o, q, total);
}

template <int NODES>
static inline V damaged_error(const Network &network, const V *weights, const V *x, const V *sums, long k) {
    V total = broadcast(0);
    for (long o = 0; o < outputs(network); o++) {
        V weight = weights[before_outputs(network) + o * (hidden(network) + 1) + k];
        long q = 0;
        for (; q + NODES <= patterns(network); q += NODES)
            add_damaged<NODES>(network, weight, x, sums, k, o, q, total);
        for (; q < patterns(network); q++) add_damaged<1>(network, weight, x, sums, k, o, q, total);
    }
    return total * broadcast(1.0 / (patterns(network) * outputs(network)));
}

// 1 − R
template <int NODES>
static inline V failure_of(const Network &network, const V *weights, const V *x, const V *sums, double threshold) {
    V intact = broadcast(0);
    for (long k = 0; k < hidden(network); k++) {
        V error = damaged_error<NODES>(network, weights, x, sums, k);
        intact = intact + one_where_less(error, broadcast(threshold));
    }
    return broadcast(1) - intact * broadcast(1.0 / hidden(network));
}

// --- learning ------------------------------------------------------------------------------------------------

static inline void move(V weight, V &delayed, V drift, V amplitude, V normal) {
    delayed = fma(amplitude, normal, fnma(drift, weight - delayed, weight));
}

// Eq. 4: before ← the weights of the next iteration.
template <typename NOISE>
static inline void move_weights(long count, const V *__restrict weights, V *__restrict before, V drift, V amplitude,
                                NOISE noise) {
    V normals[NOISE::TURN];
    long k = 0;
    for (; k + NOISE::TURN <= count; k += NOISE::TURN) {
        noise.next(normals);
        UNROLLED
        for (int a = 0; a < NOISE::TURN; a++) move(weights[k + a], before[k + a], drift, amplitude, normals[a]);
    }
    if (k < count) noise.next(normals);
    for (int a = 0; k + a < count; a++) move(weights[k + a], before[k + a], drift, amplitude, normals[a]);
}

// generations: two times the weights, those of iteration n in n % 2; last: ε and 1 − R of the iteration before.
template <int NODES, bool ROBUST, typename NOISE>
static void learn(const Network &network, const Learning &learning, W members, long from, long iterations,
                  V *generations, V *last) {
    const long count = connections(network);
    V *x = static_cast<V *>(std::aligned_alloc(64, sizeof(V) * hidden(network) * patterns(network)));
    V *sums = static_cast<V *>(std::aligned_alloc(64, sizeof(V) * outputs(network) * patterns(network)));
    for (long n = from; n < from + iterations; n++) {
        V *weights = generations + n % 2 * count, *before = generations + (n + 1) % 2 * count;
        hidden_states<NODES>(network, weights, x);
        V error = error_of<NODES>(network, weights, x, ROBUST ? sums : nullptr);
        V drift = broadcast(learning.eta) * (error - last[0]);
        V amplitude = broadcast(learning.sigma) * error;
        last[0] = error;
        if (ROBUST) {
            V failure = failure_of<NODES>(network, weights, x, sums, learning.threshold);
            V second = broadcast(learning.robust_sigma) * failure;
            drift = fma(broadcast(learning.robust_eta), failure - last[1], drift);
            amplitude = sqrt(fma(second, second, amplitude * amplitude));
            last[1] = failure;
        }
        move_weights(count, weights, before, drift, amplitude, NOISE(seed_of(learning.seed, members, n)));
    }
    std::free(x);
    std::free(sums);
}

#define ENTRY(NAME, NODES, ROBUST, NOISE)                                                                             \
    extern "C" void NAME(const Network *network, const Learning *learning, const uint64_t *members, long from,        \
                         long iterations, double *generations, double *last) {                                        \
        W lanes;                                                                                                      \
        std::memcpy(&lanes, members, sizeof lanes);                                                                   \
        learn<NODES, ROBUST, NOISE>(*network, *learning, lanes, from, iterations, reinterpret_cast<V *>(generations), \
                                    reinterpret_cast<V *>(last));                                                     \
    }

ENTRY(by_error_5_singles, 5, false, InSingles)
ENTRY(by_error_10_singles, 10, false, InSingles)
ENTRY(robust_5_singles, 5, true, InSingles)
ENTRY(robust_10_singles, 10, true, InSingles)
ENTRY(by_error_5_doubles, 5, false, InDoubles)
ENTRY(by_error_10_doubles, 10, false, InDoubles)
ENTRY(robust_5_doubles, 5, true, InDoubles)
ENTRY(robust_10_doubles, 10, true, InDoubles)
