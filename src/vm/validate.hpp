// SPDX-License-Identifier: MIT
// validate: proves that counts, bitmaps and promises of a space agree with its entries.
#pragma once

#include "vm/space.hpp"

namespace vm {

/// Nothing else changes the space meanwhile. Gives null, or what is wrong in words.
const char* validate(const AddressSpace& space);

} // namespace vm
