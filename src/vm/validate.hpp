// SPDX-License-Identifier: MIT
// validate: proves that counts, bitmaps and promises of a space agree with its entries. Debug
// builds do so whenever a process ends, and of all spaces for `memory_info`.
#pragma once

#include "vm/space.hpp"

namespace vm {

/// Whether spaces are validated where they come to rest: in hosted tests and debug builds.
#if defined(TABULA_HOSTED) || defined(TABULA_DEBUG)
inline constexpr bool validates = true;
#else
inline constexpr bool validates = false;
#endif

/// Nothing else changes the space meanwhile. Gives null, or what is wrong in words. With `exact`,
/// promises that say more than there is are wrong too: after `settle_promises`.
const char* validate(const AddressSpace& space, bool exact = false);

/// Makes every promise of the space say what is free, no more. Others may change it meanwhile: what
/// they free is not lost, and then some promises stay as they are. Called in a Visit.
void settle_promises(const AddressSpace& space);

/// Panics with what is wrong, in builds that validate.
inline void require_valid(const AddressSpace& space) {
    if constexpr (!validates) return;
    if (const char* problem = validate(space)) port::panic(problem);
}

} // namespace vm
