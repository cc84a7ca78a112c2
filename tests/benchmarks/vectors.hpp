// Eight doubles or eight words in one vector, by the widest instructions the processor has; sim.vectors in C++.

#pragma once

#include <cstdint>
#include <cstring>

constexpr int LANES = 8;

typedef uint64_t W __attribute__((vector_size(64)));

#if defined(__AVX512F__)
#include <immintrin.h>
typedef __m512d V;
static inline V broadcast(double x) { return _mm512_set1_pd(x); }
static inline V fma(V x, V y, V z) { return _mm512_fmadd_pd(x, y, z); }
static inline V fnma(V x, V y, V z) { return _mm512_fnmadd_pd(x, y, z); }
static inline V sqrt(V x) { return _mm512_sqrt_pd(x); }
static inline V max(V x, V y) { return _mm512_max_pd(x, y); } // y where either is NaN
static inline V min(V x, V y) { return _mm512_min_pd(x, y); }
static inline V one_where_less(V x, V y) {
    return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(x, y, _CMP_LT_OQ), broadcast(1));
}
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
struct V { __m256d low, high; };
static inline V operator+(V x, V y) { return {x.low + y.low, x.high + y.high}; }
static inline V operator-(V x, V y) { return {x.low - y.low, x.high - y.high}; }
static inline V operator*(V x, V y) { return {x.low * y.low, x.high * y.high}; }
static inline V operator/(V x, V y) { return {x.low / y.low, x.high / y.high}; }
static inline V broadcast(double x) { return {_mm256_set1_pd(x), _mm256_set1_pd(x)}; }
static inline V fma(V x, V y, V z) {
    return {_mm256_fmadd_pd(x.low, y.low, z.low), _mm256_fmadd_pd(x.high, y.high, z.high)};
}
static inline V fnma(V x, V y, V z) {
    return {_mm256_fnmadd_pd(x.low, y.low, z.low), _mm256_fnmadd_pd(x.high, y.high, z.high)};
}
static inline V sqrt(V x) { return {_mm256_sqrt_pd(x.low), _mm256_sqrt_pd(x.high)}; }
static inline V max(V x, V y) { return {_mm256_max_pd(x.low, y.low), _mm256_max_pd(x.high, y.high)}; }
static inline V min(V x, V y) { return {_mm256_min_pd(x.low, y.low), _mm256_min_pd(x.high, y.high)}; }
static inline __m256d one_where_less(__m256d x, __m256d y) {
    return _mm256_and_pd(_mm256_cmp_pd(x, y, _CMP_LT_OQ), _mm256_set1_pd(1));
}
static inline V one_where_less(V x, V y) { return {one_where_less(x.low, y.low), one_where_less(x.high, y.high)}; }
#else
typedef double V __attribute__((vector_size(64)));
#define LANE_BY_LANE(RESULT)                                                                                          \
    for (int k = 0; k < LANES; k++) x[k] = RESULT;                                                                    \
    return x
static inline V broadcast(double x) { return V{} + x; }
static inline V fma(V x, V y, V z) { LANE_BY_LANE(__builtin_fma(x[k], y[k], z[k])); }
static inline V fnma(V x, V y, V z) { return fma(-x, y, z); }
static inline V sqrt(V x) { LANE_BY_LANE(__builtin_sqrt(x[k])); }
static inline V max(V x, V y) { LANE_BY_LANE(x[k] > y[k] ? x[k] : y[k]); }
static inline V min(V x, V y) { LANE_BY_LANE(x[k] < y[k] ? x[k] : y[k]); }
static inline V one_where_less(V x, V y) { LANE_BY_LANE(x[k] < y[k] ? 1.0 : 0.0); }
#endif

static_assert(sizeof(V) == LANES * sizeof(double), "one row of an array");

static inline W words(uint64_t x) { return W{} + x; }

static inline W as_words(V x) {
    W bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline V as_floats(W x) {
    V floats;
    std::memcpy(&floats, &x, sizeof floats);
    return floats;
}

static inline W rotate_left(W x, int places) { return x << places | x >> (64 - places); }

#if defined(__clang__)
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED _Pragma("GCC unroll 64")
#endif

template <int COUNT> static inline V horner(V x, const double (&coefficients)[COUNT]) {
    V total = broadcast(coefficients[COUNT - 1]);
    UNROLLED
    for (int k = COUNT - 2; k >= 0; k--) total = fma(total, x, broadcast(coefficients[k]));
    return total;
}
