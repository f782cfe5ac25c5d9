// SPDX-License-Identifier: MIT
// The running CPU's paging structure, read from CR3 downwards and trusted in nothing: for reports
// on what broke, and for data whose addresses come from outside.
#pragma once

#include "lib/address.hpp"
#include "vm/entry.hpp"

#include <array>
#include <cstddef>
#include <span>

namespace arch {

/// The entries on the way to an address, the highest level first.
class TableWalk {
public:
    struct Step {
        vm::Entry entry;
        vm::Level level = 0;
        unsigned index = 0;
    };

    explicit TableWalk(VirtAddr address);

    std::span<const Step> steps() const { return {steps_.data(), count_}; }
    /// False: the address is not canonical, and there are no steps.
    bool canonical() const { return canonical_; }
    /// False: an entry leads to a table that is outside of all RAM.
    bool sound() const { return sound_; }
    /// Whether kernel code can read there.
    bool kernel_readable() const;

private:
    std::array<Step, vm::level_max> steps_{};
    std::size_t count_ = 0;
    bool canonical_ = true;
    bool sound_ = true;
};

} // namespace arch
