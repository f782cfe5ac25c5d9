// SPDX-License-Identifier: MIT
// Rings of TRBs between driver and controller (xHCI 1.2, ch. 4.9). Whose a TRB is, its cycle bit
// tells: a producer writes it with the value of its turn, and the value changes with each round.
//
//   | TRB | TRB | TRB | ... | link back to the first, toggling the cycle |
#pragma once

#include "lib/xhci/host.hpp"
#include "lib/xhci/trb.hpp"

#include <optional>

namespace lib::xhci {

/// A ring that the driver fills: commands, or transfers of one endpoint.
class ProducerRing {
public:
    /// Begins with an empty ring in `memory`: a multiple of 16 bytes, at least 2 TRBs.
    void start(DmaMemory memory);

    /// Adds a TRB, and gives its physical address, by which events name it. Precondition: the
    /// controller is done with what stood here one round before (no more than a handful of TRBs are
    /// ever under way).
    std::uint64_t push(Trb trb);

    /// Where the controller will find the next TRB, and in bit 0 the cycle that it will have.
    std::uint64_t position() const { return address(next_) | (cycle_ ? 1U : 0U); }

private:
    std::uint64_t address(std::size_t index) const { return physical_ + index * sizeof(Trb); }
    void write(std::size_t index, Trb trb);

    Trb* trbs_ = nullptr;
    std::uint64_t physical_ = 0;
    std::size_t count_ = 0; // the link included
    std::size_t next_ = 0;
    bool cycle_ = true;
};

/// The ring that the controller fills with events; one segment, no link.
class EventRing {
public:
    /// Begins with an empty ring in `memory`, which must be zero.
    void start(DmaMemory memory);
    /// The next event, if there is one.
    std::optional<Trb> pop();
    /// Where the next event will be: for the controller, which must not overtake it.
    std::uint64_t position() const { return physical_ + next_ * sizeof(Trb); }
    std::size_t capacity() const { return count_; }

private:
    Trb* trbs_ = nullptr;
    std::uint64_t physical_ = 0;
    std::size_t count_ = 0;
    std::size_t next_ = 0;
    bool cycle_ = true;
};

} // namespace lib::xhci
