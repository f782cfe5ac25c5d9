// SPDX-License-Identifier: MIT
// validate: proves that counts, bitmaps and promises of a space agree with its entries.
#pragma once

#include "vm/space.hpp"

namespace vm {

/// Nothing else changes the space meanwhile. Gives null, or what is wrong in words. With `exact`,
/// promises that say more than there is are wrong too: after `settle_promises`.
const char* validate(const AddressSpace& space, bool exact = false);

/// Makes every promise of the space say what is free, no more. Others may change it meanwhile: what
/// they free is not lost, and then some promises stay as they are. Called in a Visit.
void settle_promises(const AddressSpace& space);

} // namespace vm
