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

// --- sixteen single-precision numbers or 32-bit words, two lanes a member --------------------------------------

typedef float S __attribute__((vector_size(64)));
typedef uint32_t H __attribute__((vector_size(64)));
typedef int32_t SIGNED_H __attribute__((vector_size(64)));

#if defined(__AVX512F__)
static inline S fma(S x, S y, S z) { return (S)_mm512_fmadd_ps((__m512)x, (__m512)y, (__m512)z); }
static inline S sqrt(S x) { return (S)_mm512_sqrt_ps((__m512)x); }
static inline void widen(S x, V &first, V &last) {
    first = _mm512_cvtps_pd(_mm512_castps512_ps256((__m512)x));
    last = _mm512_cvtps_pd(_mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd((__m512)x), 1)));
}
#else
static inline S fma(S x, S y, S z) {
    for (int k = 0; k < 16; k++) x[k] = __builtin_fmaf(x[k], y[k], z[k]);
    return x;
}
static inline S sqrt(S x) {
    for (int k = 0; k < 16; k++) x[k] = __builtin_sqrtf(x[k]);
    return x;
}
static inline void widen(S x, V &first, V &last) {
    double wide[16];
    for (int k = 0; k < 16; k++) wide[k] = x[k];
    std::memcpy(&first, wide, sizeof first);
    std::memcpy(&last, wide + 8, sizeof last);
}
#endif

static inline H as_halves(S x) { return (H)x; }
static inline S as_singles(H x) { return (S)x; }
static inline S singles(float x) { return S{} + x; }
static inline H rotate_left(H x, int places) { return x << places | x >> (32 - places); }
static inline S unsigned_to_singles(H x) { return __builtin_convertvector(x, S); }
static inline S signed_to_singles(H x) { return __builtin_convertvector((SIGNED_H)x, S); }

// Low halves of words, then high halves.
static inline H split(W x) {
    H halves;
    std::memcpy(&halves, &x, sizeof halves);
    return __builtin_shufflevector(halves, halves, 0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
}

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

template <int COUNT> static inline S horner(S x, const float (&coefficients)[COUNT]) {
    S total = singles(coefficients[COUNT - 1]);
    UNROLLED
    for (int k = COUNT - 2; k >= 0; k--) total = fma(total, x, singles(coefficients[k]));
    return total;
}
