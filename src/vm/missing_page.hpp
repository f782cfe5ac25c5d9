// SPDX-License-Identifier: MIT
// What a pager is to be asked for.
#pragma once

#include "vm/object.hpp"

namespace vm {

struct MissingPage {
    ObjectRef object;
    std::uint64_t index;
};

} // namespace vm
