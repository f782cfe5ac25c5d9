// SPDX-License-Identifier: MIT
// Message: what a call carries while it is in the kernel, words and grants.
#pragma once

#include "abi/types.hpp"
#include "proc/handles.hpp"

#include <array>

namespace proc {

struct Message {
    std::array<std::uint64_t, abi::message_words> words{};
    std::array<Grant, abi::message_handles> grants{};
    std::uint32_t grant_count = 0;
    std::uint32_t sender = 0; ///< the sending process's id

    Message() = default;
    Message(Message&&) = default;
    /// The two change places, so that nothing ends (and takes locks) here.
    Message& operator=(Message&& other) noexcept {
        words = other.words;
        for (std::uint32_t i = 0; i < other.grant_count || i < grant_count; ++i)
            std::swap(grants[i], other.grants[i]);
        std::swap(grant_count, other.grant_count);
        sender = other.sender;
        return *this;
    }
    /// Closes what grants are left.
    void drop_grants() {
        for (std::uint32_t i = 0; i < grant_count; ++i) grants[i].close();
        grant_count = 0;
    }
};

} // namespace proc
