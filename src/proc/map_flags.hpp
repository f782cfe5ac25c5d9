// SPDX-License-Identifier: MIT
// What flags of `map` and of a plan's segments mean together.
#pragma once

#include "abi/types.hpp"
#include "vm/space.hpp"

namespace proc {

inline constexpr std::uint64_t growth_flags = abi::map_grows_down | abi::map_grows_up;

/// Whether a mapping is to grow by itself, and which way.
constexpr vm::Growth growth_of(std::uint64_t flags) {
    if ((flags & growth_flags) == 0) [[likely]]
        return vm::Growth::none;
    return (flags & abi::map_grows_down) != 0 ? vm::Growth::down : vm::Growth::up;
}
/// Whether it is not asked to grow both ways, nor to be what can't grow.
constexpr bool may_grow(std::uint64_t flags) {
    constexpr std::uint64_t others = abi::map_guard | abi::map_huge | abi::map_noreserve;
    if ((flags & growth_flags) == 0) [[likely]]
        return true;
    return (flags & growth_flags) != growth_flags && (flags & others) == 0;
}

} // namespace proc
