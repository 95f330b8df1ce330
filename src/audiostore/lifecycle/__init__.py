"""What a store does with assets as they age: policy, rules, plan, and carrying it out."""
