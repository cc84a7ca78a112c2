// sim.kuramoto_step.run_steps in C++: the same layout, the same operations in the same order, the same renormalisation.
//
// Eight members side by side in one vector, arrays (rows, 8). The size of a tile is a template parameter; a whole
// system in one tile is the unrolled step. Oscillator counts are multiples of the tile.

#include <cstdlib>

#include "vectors.hpp"

constexpr int RENORMALISE_EVERY = 32;

// --- the step ------------------------------------------------------------------------------------------------

// sim.elementary.turn_small
static inline void turn(V &c, V &s, V angle) {
    constexpr double SIN[] = {-0.1666666666666637, 0.008333333331805479, -0.00019841257617613103,
                              2.7526021333363912e-06};
    constexpr double COS[] = {-0.5, 0.041666666666663556, -0.001388888888491021, 2.4801569475683656e-05,
                              -2.7524717487900135e-07};
    V square = angle * angle;
    V sine = fma(horner(square, SIN), square * angle, angle);
    V cosine_minus_one = horner(square, COS) * square;
    V turned = fnma(s, sine, fma(c, cosine_minus_one, c));
    s = fma(c, sine, fma(s, cosine_minus_one, s));
    c = turned;
}

static inline void attract(V ci, V si, V cj, V sj, V w, V &pull_i, V &pull_j) {
    V force = w * fnma(cj, si, sj * ci);
    pull_i = pull_i + force;
    pull_j = pull_j - force;
}

// One Euler step; returns N r after it. phasor: rows cos φ_0, sin φ_0, cos φ_1, …
template <int TILE>
static inline V step(int n, V *__restrict phasor, V *__restrict pull, const V *__restrict coupling,
                     const V *__restrict rotation) {
    if (n > TILE)
        for (int i = 0; i < n; i++) pull[i] = rotation[i];
    const V *before = n > TILE ? pull : rotation;
    V c_sum = broadcast(0), s_sum = broadcast(0);
    for (int first = 0; first < n; first += TILE) {
        V c[TILE], s[TILE], own[TILE];
        UNROLLED
        for (int a = 0; a < TILE; a++) {
            c[a] = phasor[2 * (first + a)];
            s[a] = phasor[2 * (first + a) + 1];
            own[a] = before[first + a];
        }
        int edge = 0;
        UNROLLED
        for (int a = 0; a < TILE; a++) {
            UNROLLED
            for (int b = a + 1; b < TILE; b++) attract(c[a], s[a], c[b], s[b], coupling[edge++], own[a], own[b]);
        }
        coupling += TILE * (TILE - 1) / 2;
        for (int j = first + TILE; j < n; j++, coupling += TILE) {
            V cj = phasor[2 * j], sj = phasor[2 * j + 1], pull_j = pull[j];
            UNROLLED
            for (int a = 0; a < TILE; a++) attract(c[a], s[a], cj, sj, coupling[a], own[a], pull_j);
            pull[j] = pull_j;
        }
        UNROLLED
        for (int a = 0; a < TILE; a++) {
            turn(c[a], s[a], own[a]);
            phasor[2 * (first + a)] = c[a];
            phasor[2 * (first + a) + 1] = s[a];
            c_sum = c_sum + c[a];
            s_sum = s_sum + s[a];
        }
    }
    return sqrt(fma(c_sum, c_sum, s_sum * s_sum));
}

// --- many steps ----------------------------------------------------------------------------------------------

static void renormalise(int n, V *phasor) {
    for (int i = 0; i < n; i++) {
        V c = phasor[2 * i], s = phasor[2 * i + 1];
        V scale = fma(broadcast(-0.5), fma(c, c, s * s), broadcast(1.5));
        phasor[2 * i] = c * scale;
        phasor[2 * i + 1] = s * scale;
    }
}

// coupling ← w dt / N, from the order i < j, row by row, to that in which a step reads it.
template <int TILE> static void set_weights(int n, double scale, const V *weight, V *coupling) {
    auto scaled = [=](int i, int j) { return weight[i * (2 * n - i - 1) / 2 + j - i - 1] * broadcast(scale); };
    for (int first = 0; first < n; first += TILE) {
        for (int i = first; i < first + TILE; i++)
            for (int j = i + 1; j < first + TILE; j++) *coupling++ = scaled(i, j);
        for (int j = first + TILE; j < n; j++)
            for (int i = first; i < first + TILE; i++) *coupling++ = scaled(i, j);
    }
}

// Σ N r over the steps into total (1, 8), phasors (2N, 8) moved in place. Arrays aligned to 64 bytes.
template <int TILE>
static void run(int n, double dt, V *phasor, const V *weight, const V *rotation, long steps, V *total) {
    V *pull = static_cast<V *>(std::aligned_alloc(64, sizeof(V) * n));
    V *coupling = static_cast<V *>(std::aligned_alloc(64, sizeof(V) * n * (n - 1) / 2));
    set_weights<TILE>(n, dt / n, weight, coupling);
    V sum = broadcast(0);
    for (long done = 0; done < steps;) {
        long stop = done + RENORMALISE_EVERY < steps ? done + RENORMALISE_EVERY : steps;
        for (; done < stop; done++) sum = sum + step<TILE>(n, phasor, pull, coupling, rotation);
        renormalise(n, phasor);
    }
    *total = sum;
    std::free(pull);
    std::free(coupling);
}

#define ENTRY(NAME, TILE, N)                                                                                          \
    extern "C" void NAME(int n, double dt, double *phasor, const double *weight, const double *rotation, long steps,  \
                         double *total) {                                                                             \
        run<TILE>(N, dt, reinterpret_cast<V *>(phasor), reinterpret_cast<const V *>(weight),                          \
                  reinterpret_cast<const V *>(rotation), steps, reinterpret_cast<V *>(total));                        \
    }

ENTRY(unrolled_10, 10, 10)
ENTRY(tiles_of_5, 5, n)
ENTRY(tiles_of_10, 10, n)
