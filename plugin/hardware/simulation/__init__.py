"""A machine made of data: what `fake.FakeMachine` is made from."""
