// Which build of the core this processor runs. Called in the baseline build, before another is loaded.
#include "numerics.h"

// 1 for the baseline, 3 and 4 for the x86-64 micro-architecture levels of that number. The features asked for are those
// of the levels that the compiler can test; every processor that has them has the rest of the level.
RECON_EXPORT int recon_isa_level() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                  __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  return v4 ? 4 : v3 ? 3 : 1;
#else
  return 1;
#endif
}
