// SPDX-License-Identifier: MIT
// Physical memory with ACPI tables made for a test.
#pragma once

#include "lib/acpi_tables.hpp"

#include <cstring>
#include <map>
#include <string_view>
#include <vector>

/// A table under construction; finish() fixes length and checksum.
struct TestTable {
    std::vector<std::byte> bytes;

    TestTable(std::string_view signature, std::uint8_t revision) : bytes(36) {
        std::memcpy(bytes.data(), signature.data(), 4);
        set(8, revision);
    }
    template <typename T>
    void set(std::size_t offset, T value) {
        if (bytes.size() < offset + sizeof value) bytes.resize(offset + sizeof value);
        std::memcpy(bytes.data() + offset, &value, sizeof value);
    }
    template <typename T>
    TestTable& add(T value) {
        set(bytes.size(), value);
        return *this;
    }
    static void checksum(std::vector<std::byte>& bytes, std::size_t at, std::size_t length) {
        unsigned sum = 0;
        bytes[at] = std::byte{0};
        for (std::size_t i = 0; i < length; ++i) sum += std::to_integer<unsigned>(bytes[i]);
        bytes[at] = static_cast<std::byte>(0U - sum);
    }
    const std::vector<std::byte>& finish() {
        set(4, static_cast<std::uint32_t>(bytes.size()));
        checksum(bytes, 9, bytes.size());
        return bytes;
    }
};

/// Tables by address; memory between them doesn't exist.
struct TestMemory {
    std::map<std::uint64_t, std::vector<std::byte>> tables;

    lib::PhysicalReader reader() { return {read, this}; }

    static Result<lib::Bytes> read(void* context, PhysAddr address, std::uint64_t length) {
        const auto& tables = static_cast<TestMemory*>(context)->tables;
        auto next = tables.upper_bound(address.value);
        if (next == tables.begin()) return Error::bad_address;
        const auto& [start, bytes] = *--next;
        const auto part = lib::sub_bytes(bytes, address.value - start, length);
        if (!part.ok()) return Error::bad_address;
        return *part;
    }

    void rsdp(std::uint64_t at, std::uint8_t revision, std::uint32_t rsdt, std::uint64_t xsdt) {
        std::vector<std::byte> bytes(revision >= 2 ? 36 : 20);
        std::memcpy(bytes.data(), "RSD PTR ", 8);
        bytes[15] = static_cast<std::byte>(revision);
        std::memcpy(bytes.data() + 16, &rsdt, 4);
        TestTable::checksum(bytes, 8, 20);
        if (revision >= 2) {
            bytes[20] = std::byte{36};
            std::memcpy(bytes.data() + 24, &xsdt, 8);
            TestTable::checksum(bytes, 32, 36);
        }
        tables[at] = bytes;
    }
};
